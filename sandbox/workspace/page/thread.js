// The pane on the right: one message and its replies.
import { composer } from "./composer.js";
import { h } from "./dom.js";
import { iconButton } from "./icons.js";
import { messageView, startsGroup } from "./message.js";
import { scroller } from "./scroller.js";
import { closeThread } from "./navigation.js";
import { channelName, state } from "./store.js";

export function threadPane() {
  const { thread } = state;
  if (!thread) return null;
  const channel = state.channels.get(thread.channel);
  const [root, ...replies] = thread.messages;
  return h(
    "aside",
    {
      key: `thread-${thread.ts}`,
      class: "thread",
      "aria-label": "Thread",
      onkeydown: (event) => {
        if (event.key === "Escape" && !event.defaultPrevented) closeThread();
      },
    },
    h(
      "header",
      { class: "pane-head" },
      h("div", { class: "pane-title" }, h("h2", {}, "Thread"), h("div", { class: "topic" }, channel.is_im ? channelName(channel.id) : `#${channel.name}`)),
      iconButton("close", "Close thread", closeThread, { size: 20 }),
    ),
    scroller(
      { key: "scroller", label: "Replies" },
      thread.loading && h("div", { class: "loading", role: "status" }, h("span", { class: "spinner" }), "Loading replies…"),
      root && messageView(channel.id, root, { place: "thread" }),
      root && h("div", { key: "count", class: "reply-divider" }, h("span", {}, replies.length === 1 ? "1 reply" : `${replies.length} replies`)),
      replies.map((message, index) => messageView(channel.id, message, { place: "thread", compact: index > 0 && !startsGroup(message, replies[index - 1]) })),
    ),
    !channel.is_archived && (channel.is_member || channel.is_im) && composer(channel, { threadTs: thread.ts }),
  );
}

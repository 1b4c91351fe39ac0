// The main pane of a channel: its header, its messages by day, and where to write.
import { call } from "./api.js";
import { archivedNote, joinBar, showMembers } from "./channels.js";
import { composer } from "./composer.js";
import { h } from "./dom.js";
import { emoji, withEmoji } from "./emoji.js";
import { icon, iconButton } from "./icons.js";
import { menu, opener } from "./menu.js";
import { edit, messageView, startsGroup } from "./message.js";
import { link, mrkdwn } from "./mrkdwn.js";
import { avatar } from "./people.js";
import { reveal, scroller, toBottom } from "./scroller.js";
import { drawn, isReply, markRead, newer, newest, older } from "./histories.js";
import { attempt, changed, channelName, state } from "./store.js";
import { dayKey, dayLabel } from "./time.js";

export function channelPane(channel) {
  const history = state.histories.get(channel.id);
  return [header(channel, history), bookmarks(history), list(channel, history), foot(channel, history)];
}

function header(channel, history) {
  const members = history?.members ?? [];
  const count = channel.num_members ?? members.length;
  return h(
    "header",
    { class: "pane-head" },
    iconButton("menu", "Show channels", () => { state.navOpen = true; changed(); }, { class: "nav-open" }),
    h("div", { class: "pane-title" },
      h("h1", {}, channel.is_im ? avatar(channel.user, { size: 26 }) : icon(channel.is_archived ? "archive" : channel.is_private ? "lock" : "hash", 20), channelName(channel.id), channel.is_archived && h("span", { class: "tag" }, "Archived")),
      channel.topic?.value && h("div", { class: "topic" }, mrkdwn(channel.topic.value)),
    ),
    !channel.is_im && h("button", { type: "button", class: "members-button", "aria-label": `${count} members`, title: "Members", onclick: () => showMembers(channel, members) }, members.slice(0, 3).map((id) => avatar(id, { size: 22 })), h("span", {}, count)),
    !channel.is_im && channel.is_member && more(channel),
  );
}

function more(channel) {
  const id = "channel-menu";
  return h(
    "span",
    { class: "anchor" },
    h("button", { type: "button", class: "icon-button", "aria-label": "Channel actions", title: "Channel actions", ...opener(id, changed) }, icon("dots")),
    menu(id, "Channel actions", [{ label: `Leave #${channel.name}`, icon: icon("exit", 16), onchoose: () => void attempt(() => call("leave", { user: state.me, channel: channel.id })) }], { class: "align-right" }),
  );
}

function bookmarks(history) {
  if (!history?.bookmarks.length) return null;
  return h(
    "nav",
    { class: "bookmarks", "aria-label": "Bookmarks" },
    history.bookmarks.map((bookmark) => {
      const label = [bookmark.emoji ? emoji(bookmark.emoji.replaceAll(":", "")) : icon("bookmark", 14), withEmoji(bookmark.title ?? bookmark.link ?? "")];
      return h("span", { key: bookmark.id, class: "bookmark" }, link(bookmark.link ?? "", h("span", {}, label)));
    }),
  );
}

function list(channel, history) {
  const id = channel.id;
  const shown = history ? drawn(history).filter((m) => !isReply(m) || m.is_ephemeral) : [];
  return h(
    "div",
    { class: "list-frame", key: `list-${id}-${state.me}` },
    scroller(
      {
        key: "scroller",
        label: `Messages in ${channelName(id)}`,
        ontop: () => (history.hasMore || history.messages.length > history.size + history.skip) && !history.loading && void older(id),
        onbottom: () => newer(id),
        onread: () => markRead(id),
        onmove: changed,
      },
      history?.loaded && !history.hasMore && history.messages.length <= history.size + history.skip && beginning(channel),
      history?.loading && h("div", { class: "loading", role: "status" }, h("span", { class: "spinner" }), "Loading messages…"),
      rows(channel, shown, history),
    ),
    below(channel, history),
  );
}

function beginning(channel) {
  return h(
    "div",
    { class: "beginning", key: "beginning" },
    h("div", { class: "beginning-icon" }, channel.is_im ? avatar(channel.user, { size: 56 }) : icon("hash", 34)),
    h("h2", {}, channel.is_im ? channelName(channel.id) : `#${channel.name}`),
    h("p", {}, channel.is_im ? ["This is the very beginning of your conversation with ", h("strong", {}, channelName(channel.id)), "."] : ["This is the very beginning of ", h("strong", {}, `#${channel.name}`), ". ", mrkdwn(channel.purpose?.value ?? "")]),
  );
}

function rows(channel, shown, history) {
  const out = [];
  let before = null;
  // Where the new ones begin is only known once an older one, or the beginning, is drawn too.
  const complete = history && !history.hasMore && history.messages.length <= history.size + history.skip;
  let divided = !history?.newFrom || !(complete || Number(shown[0]?.ts) <= Number(history.newFrom));
  for (const message of shown) {
    const newDay = !before || dayKey(before.ts) !== dayKey(message.ts);
    const firstNew = !divided && Number(message.ts) > Number(history.newFrom) && message.user !== state.me && !message.is_local;
    if (newDay) out.push(h("div", { key: `day-${dayKey(message.ts)}`, class: "day", role: "separator" }, h("span", {}, dayLabel(message.ts))));
    if (firstNew) {
      divided = true;
      out.push(h("div", { key: "new", class: "new-divider", role: "separator", "aria-label": "New messages" }, h("span", {}, "New")));
    }
    out.push(messageView(channel.id, message, { compact: !newDay && !firstNew && !startsGroup(message, before) }));
    before = message;
  }
  return out;
}

function below(channel, history) {
  if (!history?.loaded) return null;
  const el = document.querySelector(".list-frame .scroller");
  const away = history.skip > 0 || (el && el.scrollHeight - el.scrollTop - el.clientHeight > 200);
  if (!away) return null;
  return h(
    "button",
    { type: "button", class: "jump", onclick: () => { newest(channel.id); requestAnimationFrame(() => toBottom(".list-frame .scroller")); } },
    icon("arrowDown", 16),
    channel.unread_count ? "New messages" : "Jump to newest",
  );
}

function foot(channel, history) {
  if (channel.is_archived) return archivedNote(channel);
  if (!channel.is_im && !channel.is_member) return joinBar(channel);
  return composer(channel, {
    onUp: () => {
      const own = history?.messages.findLast((m) => m.user === state.me && !m.subtype && !m.is_ephemeral && !isReply(m));
      if (own) edit(channel.id, own, "channel");
    },
  });
}

/** After the first drawing of a channel with unread messages: start reading at the divider. */
export function revealNew() {
  const el = document.querySelector(".list-frame .scroller");
  const divider = el?.querySelector(".new-divider");
  if (divider && divider.getBoundingClientRect().top < el.getBoundingClientRect().top) reveal(el, divider);
}


// One message: who, when, what, and what one can do with it.
import { messageContext } from "./actions.js";
import { call } from "./api.js";
import { blocks } from "./blocks.js";
import { completing } from "./composer.js";
import { confirm } from "./dialog.js";
import { h } from "./dom.js";
import { EMOJI, emoji, PALETTE } from "./emoji.js";
import { files } from "./files.js";
import { icon, iconButton } from "./icons.js";
import { dismiss, isReply, slackbotSays } from "./histories.js";
import { ownAddress } from "./inputs.js";
import { openThread } from "./navigation.js";
import { attempt, messageKey, state, touch, touchesOf, userName } from "./store.js";
import { closeMenu, menu, opener, popover } from "./menu.js";
import { decode, link, mrkdwn, plainText, textObject } from "./mrkdwn.js";
import { avatar } from "./people.js";
import { ago, clock, full } from "./time.js";

const SYSTEM = /^(channel_|group_|bot_(add|remove)|pinned_item|unpinned_item)/;
const cache = new WeakMap();

/** The message's node; drawn anew only when the message, or what is done with it, changed. */
export function messageView(channel, message, { compact = false, place = "channel" } = {}) {
  const key = messageKey(channel, message.ts);
  if (state.editing === `${place}:${key}`) return view(channel, message, compact, place, key);
  const version = `${compact}|${place}|${state.me}|${touchesOf(message)}|${state.users.size}`;
  const held = cache.get(message);
  if (held?.version === version) return held.vnode;
  const vnode = view(channel, message, compact, place, key);
  cache.set(message, { version, vnode });
  return vnode;
}

const author = (message) => message.user ?? message.bot_profile?.user_id ?? message.bot_id;
const authorName = (message) => message.username ?? (message.user ? userName(message.user) : message.bot_profile?.name) ?? "Somebody";
const isBot = (message) => Boolean(message.bot_id || state.users.get(message.user)?.is_bot);

export const startsGroup = (message, before) =>
  !before ||
  author(message) !== author(before) ||
  message.username !== before.username ||
  Boolean(message.is_ephemeral) !== Boolean(before.is_ephemeral) ||
  SYSTEM.test(message.subtype ?? "") !== SYSTEM.test(before.subtype ?? "") ||
  message.subtype === "thread_broadcast" ||
  Number(message.ts) - Number(before.ts) > 300;

function view(channel, message, compact, place, key) {
  const system = SYSTEM.test(message.subtype ?? "");
  const editing = state.editing === `${place}:${key}`;
  return h(
    "article",
    {
      key,
      class: `message ${compact ? "compact" : ""} ${message.is_ephemeral ? "ephemeral" : ""} ${system ? "system" : ""} ${editing ? "editing" : ""}`,
      "data-ts": message.ts,
      tabindex: "-1",
      "aria-label": `${authorName(message)}, ${clock(message.ts)}`,
    },
    h("div", { class: "gutter" }, compact ? h("time", { class: "compact-time", title: full(message.ts) }, clock(message.ts)) : avatar(author(message), { name: authorName(message) })),
    h(
      "div",
      { class: "content" },
      message.is_ephemeral && h("div", { class: "only-you" }, icon("eye", 14), "Only visible to you", message.is_local && h("button", { type: "button", class: "link-button", onclick: () => dismiss(channel, message.ts) }, "Dismiss")),
      message.subtype === "thread_broadcast" && h("div", { class: "broadcasted" }, "replied to a thread"),
      !compact &&
        h(
          "div",
          { class: "byline" },
          h("span", { class: "author" }, authorName(message)),
          isBot(message) && h("span", { class: "badge" }, "APP"),
          h("time", { class: "time", title: full(message.ts) }, clock(message.ts)),
        ),
      editing ? editor(channel, message, place) : body(channel, message, system),
      !editing && reactions(channel, message),
      place === "channel" && thread(channel, message),
    ),
    !editing && !message.is_local && toolbar(channel, message, place, key, system),
  );
}

function body(channel, message, system) {
  if (system) return h("div", { class: "text system-text" }, mrkdwn(message.text?.replace(new RegExp(`^<@${message.user}(\\|[^>]*)?>:? `), "")));
  const context = messageContext(channel, message);
  const edited = message.edited && h("span", { class: "edited", title: `Edited ${full(message.edited.ts)}` }, " (edited)");
  const words = message.text ?? "";
  const jumbo = /^(:[a-z0-9_+'-]+:\s*){1,12}$/.test(words);
  return [
    message.blocks?.length ? blocks(context) : words && h("div", { class: `text ${jumbo ? "jumbo" : ""}` }, mrkdwn(words, { verbatim: message.mrkdwn === false }), edited),
    message.blocks?.length && edited,
    (message.attachments ?? []).map((attachment, index) => attach(channel, message, attachment, index)),
    files(message),
  ];
}

const COLOURS = { good: "#2eb67d", warning: "#ecb22e", danger: "#e01e5a" };

function attach(channel, message, item, index) {
  const colour = COLOURS[item.color] ?? (/^#?[0-9a-f]{6}$/i.test(item.color ?? "") ? `#${item.color.replace("#", "")}` : null);
  const inner = { ...messageContext(channel, message), blocks: item.blocks ?? [] };
  const picture = ownAddress(item.image_url);
  return h(
    "div",
    { key: `attachment-${index}`, class: "attachment", style: colour ? { "--bar": colour } : {} },
    item.pretext && h("div", { class: "text" }, mrkdwn(item.pretext)),
    h(
      "div",
      { class: "attachment-body" },
      item.author_name && h("div", { class: "attachment-author" }, item.author_name),
      item.title && h("div", { class: "attachment-title" }, item.title_link ? link(item.title_link, decode(item.title)) : decode(item.title)),
      item.text && h("div", { class: "text" }, mrkdwn(item.text)),
      item.fields && h("div", { class: "fields" }, item.fields.map((field) => h("div", { class: field.short ? "" : "wide" }, h("strong", {}, field.title), h("div", {}, mrkdwn(String(field.value ?? "")))))),
      item.blocks?.length ? blocks(inner) : null,
      !item.text && !item.blocks && !item.title && item.fallback && h("div", { class: "text" }, decode(item.fallback)),
      picture && h("img", { src: picture, alt: item.title ?? "" }),
      item.footer && h("div", { class: "muted attachment-footer" }, mrkdwn(item.footer), item.ts && ` · ${full(item.ts)}`),
    ),
  );
}

function reactions(channel, message) {
  if (!message.reactions?.length) return null;
  return h(
    "div",
    { class: "reactions" },
    message.reactions.map((reaction) => {
      const mine = reaction.users.includes(state.me);
      const who = reaction.users.map((id) => (id === state.me ? "you" : userName(id))).join(", ");
      return h(
        "button",
        {
          key: reaction.name,
          type: "button",
          class: `reaction ${mine ? "mine" : ""}`,
          "aria-pressed": String(mine),
          "aria-label": `${reaction.name.replaceAll("_", " ")}: ${reaction.count}, ${who}`,
          title: `${who} reacted with :${reaction.name}:`,
          onclick: () => toggle(channel, message, reaction.name),
        },
        emoji(reaction.name),
        h("span", {}, reaction.count),
      );
    }),
  );
}

function toggle(channel, message, name) {
  const mine = message.reactions?.find((reaction) => reaction.name === name)?.users.includes(state.me);
  void attempt(() => call(mine ? "unreact" : "react", { user: state.me, channel, ts: message.ts, name }));
}

function thread(channel, message) {
  if (!message.reply_count) {
    return message.subtype === "thread_broadcast" ? h("button", { type: "button", class: "replies", onclick: () => openThread(channel, message.thread_ts) }, "View thread") : null;
  }
  return h(
    "button",
    { type: "button", class: "replies", onclick: () => openThread(channel, message.ts) },
    (message.reply_users ?? []).slice(0, 4).map((id) => avatar(id, { size: 22 })),
    h("span", { class: "replies-count" }, message.reply_count === 1 ? "1 reply" : `${message.reply_count} replies`),
    message.latest_reply && h("span", { class: "muted" }, `Last reply ${ago(message.latest_reply)}`),
  );
}

/* What one can do with a message */

function toolbar(channel, message, place, key, system) {
  const refresh = () => touch(channel, message.ts);
  const own = message.user === state.me && !system && !message.is_ephemeral;
  const more = `more:${place}:${key}`;
  const pick = `pick:${place}:${key}`;
  if (message.is_ephemeral) return null;
  const items = [
    ...state.shortcuts
      .filter((shortcut) => shortcut.type === "message")
      .map((shortcut) => ({ label: shortcut.name, note: state.app.name, icon: icon("bolt", 16), onchoose: () => runShortcut(shortcut, channel, message, place) })),
    { label: "Copy text", icon: icon("copy", 16), onchoose: () => void navigator.clipboard?.writeText(plainText(message.text)) },
    own && { label: "Edit message", icon: icon("edit", 16), onchoose: () => edit(channel, message, place) },
    own && { label: "Delete message", icon: icon("trash", 16), danger: true, onchoose: () => void erase(channel, message) },
  ].filter(Boolean);
  return h(
    "div",
    { class: "toolbar", role: "toolbar", "aria-label": "Message actions" },
    PALETTE.slice(0, 3).map((name) => h("button", { type: "button", class: "icon-button", "aria-label": `React with ${name.replaceAll("_", " ")}`, title: `:${name}:`, onclick: () => toggle(channel, message, name) }, emoji(name))),
    h(
      "span",
      { class: "anchor" },
      h("button", { type: "button", class: "icon-button", "aria-label": "Add reaction", title: "Add reaction", ...opener(pick, refresh, "dialog") }, icon("smile")),
      emojiPicker(pick, (name) => toggle(channel, message, name)),
    ),
    place === "channel" && !isReply(message) && iconButton("reply", "Reply in thread", () => openThread(channel, message.ts)),
    own && iconButton("edit", "Edit message", () => edit(channel, message, place)),
    h(
      "span",
      { class: "anchor" },
      h("button", { type: "button", class: "icon-button", "aria-label": "More actions", title: "More actions", ...opener(more, refresh) }, icon("vdots")),
      menu(more, "More actions", items, { class: "align-right" }),
    ),
  );
}

/** A grid of the workspace's emoji in the popover `id`. */
export function emojiPicker(id, onpick) {
  const filter = (event) => {
    const wanted = event.target.value.toLowerCase().replaceAll(" ", "_").replaceAll(":", "");
    for (const button of event.target.parentElement.querySelectorAll("[data-emoji]")) button.hidden = !button.dataset.emoji.includes(wanted);
  };
  return popover(
    id,
    { class: "emoji-picker align-right", role: "dialog", "aria-label": "Pick an emoji" },
    h("input", { type: "text", class: "field", placeholder: "Search emoji", "aria-label": "Search emoji", autocomplete: "off", oninput: filter }),
    h(
      "div",
      { class: "emoji-grid" },
      EMOJI.map(([name, shown]) =>
        h("button", { type: "button", "data-emoji": name, title: `:${name}:`, "aria-label": name.replaceAll("_", " "), onclick: () => { closeMenu(); onpick(name); } }, shown),
      ),
    ),
  );
}

async function runShortcut(shortcut, channel, message, place) {
  try {
    await call("shortcut", { user: state.me, callback_id: shortcut.callback_id, channel, ts: message.ts });
  } catch (error) {
    slackbotSays(channel, error.message, place === "thread" ? state.thread?.ts : undefined);
  }
}

export function edit(channel, message, place) {
  state.editing = `${place}:${messageKey(channel, message.ts)}`;
  touch(channel, message.ts);
}

function editor(channel, message, place) {
  const stop = () => {
    state.editing = null;
    touch(channel, message.ts);
  };
  return completing({
    id: `edit:${messageKey(channel, message.ts)}`,
    label: "Edit message",
    initial: message.text ?? "",
    onsend: async (text) => {
      if (!text) return stop();
      await attempt(() => call("edit", { user: state.me, channel, ts: message.ts, text }));
      return stop();
    },
    oncancel: stop,
    foot: (send) => [
      h("button", { type: "button", class: "button small", onclick: stop }, "Cancel"),
      h("button", { type: "button", class: "button small primary", onclick: send }, "Save"),
    ],
  });
}

async function erase(channel, message) {
  const sure = await confirm({
    title: "Delete message",
    body: [h("p", {}, "Are you sure you want to delete this message? This cannot be undone."), h("blockquote", { class: "preview" }, textObject({ type: "mrkdwn", text: message.text ?? "" }))],
    yes: "Delete",
    danger: true,
  });
  if (sure) await attempt(() => call("delete", { user: state.me, channel, ts: message.ts }));
}

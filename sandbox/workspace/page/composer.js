// Where people write: a growing text field that completes commands, names, channels and emoji.
import { call } from "./api.js";
import { h } from "./dom.js";
import { EMOJI } from "./emoji.js";
import { upload } from "./files.js";
import { icon, iconButton } from "./icons.js";
import { opener } from "./menu.js";
import { emojiPicker } from "./message.js";
import { decode, encode } from "./mrkdwn.js";
import { avatar } from "./people.js";
import { toBottom } from "./scroller.js";
import { newest, slackbotSays } from "./histories.js";
import { attempt, changed, channelName, currentChannel, people, state, userName } from "./store.js";

const fields = new Map(); // id -> {text, caret, active, dismissed}

/** What Slack stores, as people type it: <@U…> is @alice. The workspace turns it back (and escapes) on sending. */
export function fromSlack(text) {
  return decode(
    text
      .replace(/<@(\w+)(?:\|[^>]*)?>/g, (_, id) => `@${userName(id)}`)
      .replace(/<#(\w+)(?:\|[^>]*)?>/g, (_, id) => `#${channelName(id)}`)
      .replace(/<!(\w+)(?:\|[^>]*)?>/g, "@$1")
      .replace(/<([^|>!@#][^|>]*)(?:\|[^>]*)?>/g, "$1"),
  );
}

/* Completion */

function suggestions(text, caret, commands) {
  const before = text.slice(0, caret);
  if (commands && /^\/\S*$/.test(before)) {
    return state.commands
      .filter((c) => c.command.startsWith(before))
      .map((c) => ({ from: 0, insert: `${c.command} `, exact: c.command === before, view: [h("span", { class: "command" }, c.command), c.usage_hint && h("span", { class: "usage" }, c.usage_hint)], note: c.description }));
  }
  const word = /(?:^|[\s(])([@#:])([\p{L}\p{N}._+-]*)$/u.exec(before);
  if (!word) return [];
  const [, mark, typed] = word;
  const from = caret - typed.length - 1;
  const wanted = typed.toLowerCase();
  if (mark === "@") {
    const all = [...people(), ...[...state.users.values()].filter((u) => u.id === state.app.bot_user_id)];
    return all
      .filter((u) => [u.name, u.real_name, userName(u.id)].some((name) => name?.toLowerCase().split(/[\s._-]/).some((part) => part.startsWith(wanted)) || name?.toLowerCase().startsWith(wanted)))
      .slice(0, 8)
      .map((u) => ({ from, insert: `@${u.name} `, view: [avatar(u.id, { size: 20 }), h("strong", {}, userName(u.id))], note: u.real_name }));
  }
  if (mark === "#") {
    return [...state.channels.values()]
      .filter((c) => !c.is_im && !c.is_archived && c.name.includes(wanted))
      .slice(0, 8)
      .map((c) => ({ from, insert: `#${c.name} `, view: [h("strong", {}, `#${c.name}`)], note: c.purpose?.value }));
  }
  if (typed.length < 2) return [];
  return EMOJI.filter(([name]) => name.includes(wanted))
    .slice(0, 8)
    .map(([name, glyph]) => ({ from, insert: `:${name}: `, view: [h("span", { class: "emoji" }, glyph), `:${name}:`] }));
}

/** The command being written, once its name is complete: its usage stays in sight. */
function usage(text) {
  const name = /^(\/\S+)\s/.exec(text)?.[1];
  return name && state.commands.find((c) => c.command === name);
}

/* The field */

/** A text field with completion. `onsend(text)`; `foot(send)` draws what stands below it. */
export function completing({ id, label, placeholder = "", initial = "", commands = false, onsend, oncancel, onkey, onpaste, head, foot }) {
  if (!fields.has(id)) fields.set(id, { text: fromSlack(initial), caret: 0, active: 0, dismissed: false });
  const field = fields.get(id);
  const offered = field.dismissed || !field.focused ? [] : suggestions(field.text, field.caret, commands);
  field.active = Math.min(field.active, Math.max(0, offered.length - 1));
  const hint = commands && !offered.length ? usage(field.text) : null;
  const area = () => document.getElementById(`field-${id}`);
  const set = (text, caret = text.length) => {
    Object.assign(field, { text, caret, active: 0, dismissed: false });
    const el = area();
    if (el) {
      el.value = text;
      el.setSelectionRange(caret, caret);
      el.focus();
      grow(el);
    }
    changed(true);
  };
  const take = (choice) => {
    const rest = field.text.slice(field.caret).replace(/^ /, "");
    set(field.text.slice(0, choice.from) + choice.insert + rest, choice.from + choice.insert.length);
  };
  const send = () => {
    const text = field.text.trim();
    if (!text && !oncancel) return;
    set("");
    if (oncancel) fields.delete(id);
    void onsend(text);
  };
  const keydown = (event) => {
    if (event.isComposing) return;
    if (offered.length) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        field.active = (field.active + step + offered.length) % offered.length;
        changed();
        return;
      }
      if (event.key === "Tab" || (event.key === "Enter" && !event.shiftKey && !offered[field.active].exact)) {
        event.preventDefault();
        take(offered[field.active]);
        return;
      }
      if (event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        field.dismissed = true;
        changed(true);
        return;
      }
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if (event.key === "Escape" && oncancel) {
      event.preventDefault();
      event.stopPropagation();
      fields.delete(id);
      oncancel();
    } else onkey?.(event, field);
  };
  return h(
    "div",
    { class: "composer", key: `composer-${id}` },
    offered.length > 0 &&
      h(
        "div",
        { class: "completions", id: `completions-${id}`, role: "listbox", "aria-label": "Suggestions" },
        h("div", { class: "completions-head" }, commands && field.text.startsWith("/") ? "Commands" : "Suggestions", h("span", {}, "↑↓ to move, Tab to complete")),
        offered.map((choice, index) =>
          h(
            "div",
            {
              role: "option",
              id: `completion-${id}-${index}`,
              "aria-selected": String(index === field.active),
              class: `option ${index === field.active ? "active" : ""}`,
              onpointerdown: (event) => {
                event.preventDefault();
                take(choice);
              },
            },
            h("span", { class: "option-text" }, h("span", { class: "option-label" }, choice.view), choice.note && h("span", { class: "option-note" }, choice.note)),
          ),
        ),
      ),
    hint && h("div", { class: "usage-hint", role: "status" }, h("span", { class: "command" }, hint.command), h("span", { class: "usage" }, hint.usage_hint), h("span", { class: "muted" }, hint.description)),
    h(
      "div",
      { class: "composer-box" },
      head,
      h("textarea", {
        id: `field-${id}`,
        rows: "1",
        value: field.text,
        placeholder,
        "aria-label": label,
        "aria-autocomplete": "list",
        "aria-controls": offered.length ? `completions-${id}` : undefined,
        "aria-activedescendant": offered.length ? `completion-${id}-${field.active}` : undefined,
        mount: (el) => {
          grow(el);
          if (matchMedia("(hover: hover)").matches) el.focus();
          el.setSelectionRange(el.value.length, el.value.length);
        },
        oninput: (event) => {
          Object.assign(field, { text: event.target.value, caret: event.target.selectionStart, active: 0, dismissed: false });
          grow(event.target);
          // At once: a quick Enter must meet what was typed, not what the last frame offered.
          changed(true);
        },
        onselectionchange: (event) => {
          if (field.caret === event.target.selectionStart) return;
          field.caret = event.target.selectionStart;
          changed();
        },
        onfocus: () => {
          field.focused = true;
          changed();
        },
        onblur: () => {
          field.focused = false;
          changed();
        },
        onkeydown: keydown,
        onpaste,
      }),
      foot?.(send, set, field),
    ),
  );
}

function grow(el) {
  el.style.height = "auto";
  el.style.height = `${Math.min(el.scrollHeight, innerHeight * 0.4)}px`;
}

// Everybody has drafts of their own.
const fieldId = (channel, threadTs) => [state.me, channel, threadTs].filter(Boolean).join("-");

/** The composer of a channel, or of a thread when `threadTs` is given. */
export function composer(channel, { threadTs, onUp } = {}) {
  const id = fieldId(channel.id, threadTs);
  const name = channel.is_im ? channelName(channel.id) : `#${channel.name}`;
  const share = (list) => Promise.all([...list].map((file) => upload(file, channel.id, threadTs)));
  const pick = `emoji:${id}`;
  return completing({
    id,
    label: threadTs ? "Reply in thread" : `Message ${name}`,
    placeholder: threadTs ? "Reply…" : `Message ${name}`,
    commands: true,
    onsend: (text) => sendText(channel.id, text, threadTs),
    onkey: (event, field) => {
      if (event.key === "ArrowUp" && !field.text) {
        event.preventDefault();
        onUp?.();
      }
    },
    onpaste: (event) => {
      if (!event.clipboardData?.files.length) return;
      event.preventDefault();
      void share(event.clipboardData.files);
    },
    foot: (send, set, field) =>
      h(
        "div",
        { class: "composer-foot" },
        h("label", { class: "icon-button", title: "Share a file" }, icon("clip"), h("input", {
          type: "file",
          class: "visually-hidden",
          multiple: true,
          "aria-label": "Share a file",
          onchange: (event) => {
            void share(event.target.files);
            event.target.value = "";
          },
        })),
        h(
          "span",
          { class: "anchor" },
          h("button", { type: "button", class: "icon-button", "aria-label": "Insert emoji", title: "Insert emoji", ...opener(pick, changed, "dialog") }, icon("smile")),
          emojiPicker(pick, (emojiName) => set(`${field.text}${field.text && !/\s$/.test(field.text) ? " " : ""}:${emojiName}: `)),
        ),
        iconButton("at", "Mention somebody", () => set(`${field.text}${field.text && !/\s$/.test(field.text) ? " " : ""}@`)),
        !threadTs && iconButton("bolt", "Commands", () => set("/")),
        h("span", { class: "composer-help" }, h("b", {}, "Enter"), " to send, ", h("b", {}, "Shift+Enter"), " for a new line"),
        h("button", { type: "button", class: `send ${field.text.trim() ? "ready" : ""}`, "aria-label": "Send", title: "Send", onclick: send }, icon("send")),
      ),
  });
}

async function sendText(channel, text, threadTs) {
  const command = text.startsWith("/");
  // Whoever writes wants to see what comes of it.
  if (!threadTs) newest(channel);
  toBottom(threadTs ? ".thread .scroller" : ".list-frame .scroller");
  try {
    await call("send", { user: state.me, channel, text, ...(threadTs ? { thread_ts: threadTs } : {}) });
  } catch (error) {
    if (command) slackbotSays(channel, `\`${encode(text.split(/\s/)[0])}\` did not work. ${encode(error.message)}`, threadTs);
    else await attempt(() => Promise.reject(error));
  }
}

export const focusComposer = () => document.getElementById(`field-${fieldId(currentChannel()?.id)}`)?.focus();

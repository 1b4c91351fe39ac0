// Finding and making conversations: the channel browser, new channels, direct messages, members, quick switching.
import { ApiError, call } from "./api.js";
import { frame, open } from "./dialog.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { plainText } from "./mrkdwn.js";
import { avatar } from "./people.js";
import { openApp, openChannel } from "./navigation.js";
import { attempt, changed, channelName, isApp, people, state, userName } from "./store.js";

const label = (channel) => [icon(channel.is_archived ? "archive" : channel.is_private ? "lock" : "hash", 16), channel.name];

function remember(channel) {
  state.channels.set(channel.id, { ...state.channels.get(channel.id), ...channel });
}

export async function join(channel) {
  await attempt(async () => remember((await call("join", { user: state.me, channel: channel.id })).channel));
  await openChannel(channel.id);
}

export function joinBar(channel) {
  return h(
    "div",
    { class: "foot-note" },
    h("p", {}, "You are viewing ", h("strong", {}, `#${channel.name}`)),
    h("button", { type: "button", class: "button primary", onclick: () => void join(channel) }, "Join channel"),
  );
}

export function archivedNote(channel) {
  return h("div", { class: "foot-note" }, icon("archive", 18), h("p", {}, "You are viewing ", h("strong", {}, `#${channel.name}`), ", an archived channel. Nobody can write here."));
}

/** A dialog with a search field over rows; `rows(filter)` gives {key, view, side?, onchoose}. */
function finder(title, placeholder, rows, foot) {
  let filter = "";
  let active = 0;
  return open((close, key) => {
    const shown = rows(filter.toLowerCase());
    active = Math.min(active, Math.max(0, shown.length - 1));
    const choose = (row) => {
      close();
      row.onchoose();
    };
    return frame(
      { key, title, onclose: () => close(), foot: foot?.(close) },
      h("input", {
        type: "text",
        class: "field",
        placeholder,
        "aria-label": placeholder,
        autocomplete: "off",
        autofocus: true,
        oninput: (event) => {
          filter = event.target.value;
          active = 0;
          changed(true);
        },
        onkeydown: (event) => {
          const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
          if (step && shown.length) {
            event.preventDefault();
            active = (active + step + shown.length) % shown.length;
            changed();
          } else if (event.key === "Enter" && shown[active]) {
            event.preventDefault();
            choose(shown[active]);
          }
        },
      }),
      h(
        "ul",
        { class: "rows" },
        shown.map((row, index) =>
          h(
            "li",
            { key: row.key },
            h("button", { type: "button", class: `row ${index === active ? "active" : ""}`, onclick: () => choose(row) }, h("span", { class: "row-main" }, row.view), row.side && h("span", { class: "row-side" }, row.side)),
          ),
        ),
        !shown.length && h("li", { class: "muted empty" }, "Nothing matches."),
      ),
    );
  });
}

export function browse() {
  void finder(
    "Browse channels",
    "Search channels",
    (filter) =>
      [...state.channels.values()]
        .filter((c) => !c.is_im && c.name.includes(filter))
        .sort((a, b) => Number(a.is_archived) - Number(b.is_archived) || a.name.localeCompare(b.name))
        .map((channel) => ({
          key: channel.id,
          view: [
            h("span", { class: "row-title" }, label(channel)),
            h("span", { class: "muted row-note" }, [channel.is_member ? "Joined" : "", channel.is_archived ? "Archived" : "", `${channel.num_members ?? 0} members`, plainText(channel.purpose?.value || channel.topic?.value)].filter(Boolean).join(" · ")),
          ],
          side: channel.is_member || channel.is_archived ? "Open" : "Join",
          onchoose: () => void (channel.is_member || channel.is_archived ? openChannel(channel.id) : join(channel)),
        })),
    (close) => [
      h("button", { type: "button", class: "button", onclick: () => { close(); create(); } }, "Create a channel"),
    ],
  );
}

export function create() {
  let name = "";
  let error = null;
  let busy = false;
  void open((close, key) =>
    frame(
      {
        key,
        title: "Create a channel",
        size: "small",
        onclose: () => close(),
        onsubmit: async () => {
          if (busy) return;
          busy = true;
          changed();
          try {
            const { channel } = await call("create_channel", { user: state.me, name });
            remember(channel);
            close();
            await openChannel(channel.id);
          } catch (problem) {
            if (!(problem instanceof ApiError)) throw problem;
            error = problem.message;
          }
          busy = false;
          changed();
        },
        foot: [h("button", { type: "button", class: "button", onclick: () => close() }, "Cancel"), h("button", { type: "submit", class: `button primary ${busy ? "working" : ""}`, disabled: !name }, "Create")],
      },
      h("label", { class: "input" }, h("div", { class: "input-label" }, "Name"), h("input", {
        type: "text",
        class: "field",
        maxlength: "80",
        value: name,
        autofocus: true,
        placeholder: "e.g. payments",
        autocomplete: "off",
        "aria-invalid": error ? "true" : undefined,
        oninput: (event) => {
          name = event.target.value.toLowerCase().replaceAll(/\s+/g, "-");
          error = null;
          changed();
        },
      })),
      error ? h("div", { class: "input-error", role: "alert" }, icon("warning", 15), error) : h("div", { class: "input-hint" }, "Lowercase letters, digits, - and _."),
    ),
  );
}

async function talkTo(user) {
  await attempt(async () => {
    const { channel } = await call("open_im", { user: state.me, with: user });
    remember(channel);
    await openChannel(channel.id);
  });
}

const personRow = (user) => ({
  key: user.id,
  view: [avatar(user.id, { size: 26 }), h("strong", {}, userName(user.id)), user.real_name !== userName(user.id) && h("span", { class: "muted" }, user.real_name)],
  onchoose: () => (user.id === state.app.bot_user_id ? openApp("messages") : void talkTo(user.id)),
});

const matches = (user, filter) => [user.name, user.real_name, userName(user.id)].some((name) => name?.toLowerCase().includes(filter));

export function writeTo() {
  void finder("New direct message", "Search people", (filter) => people().filter((user) => user.id !== state.me && matches(user, filter)).map(personRow));
}

export function showMembers(channel, members) {
  void finder(`Members of #${channel.name}`, "Search members", (filter) =>
    members
      .map((id) => state.users.get(id))
      .filter((user) => user && matches(user, filter))
      .map(personRow),
  );
}

/** Ctrl+K: anywhere, by name. */
export function switcher() {
  void finder("Go to", "Channel, person or app", (filter) => [
    ...[...state.channels.values()]
      .filter((c) => !isApp(c) && channelName(c.id).toLowerCase().includes(filter))
      .sort((a, b) => Number(a.is_archived ?? false) - Number(b.is_archived ?? false) || Number(b.is_member ?? true) - Number(a.is_member ?? true))
      .map((c) => ({ key: c.id, view: c.is_im ? [avatar(c.user, { size: 22 }), userName(c.user)] : h("span", { class: "row-title" }, label(c)), side: c.unread_count ? `${c.unread_count} new` : "", onchoose: () => void openChannel(c.id) })),
    ...[state.app].filter((app) => app.name?.toLowerCase().includes(filter)).map((app) => ({ key: "app", view: [avatar(app.bot_user_id, { size: 22 }), app.name], onchoose: () => openApp("home") })),
  ]);
}

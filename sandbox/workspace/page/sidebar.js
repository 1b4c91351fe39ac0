// The sidebar: the workspace, where one can go and what is unread there, and as whom one acts.
import { browse, create, switcher, writeTo } from "./channels.js";
import { h } from "./dom.js";
import { icon, iconButton } from "./icons.js";
import { menu, opener } from "./menu.js";
import { avatar } from "./people.js";
import { openApp, openChannel } from "./navigation.js";
import { actAs } from "./session.js";
import { changed, isApp, people, state, userName } from "./store.js";

export function sidebar() {
  const channels = [...state.channels.values()];
  const joined = channels.filter((c) => !c.is_im && c.is_member).sort((a, b) => Number(a.is_archived) - Number(b.is_archived) || a.name.localeCompare(b.name));
  const direct = channels.filter((c) => c.is_im && !isApp(c)).sort((a, b) => userName(a.user).localeCompare(userName(b.user)));
  const app = channels.find(isApp);
  const visiting = state.place.kind === "channel" && channels.find((c) => c.id === state.place.id && !c.is_im && !c.is_member);
  return h(
    "nav",
    { class: "sidebar", "aria-label": "Channels and people" },
    h("div", { class: "workspace" }, h("div", { class: "workspace-name" }, h("strong", {}, state.team.name ?? "Workspace"), h("span", {}, "Local workspace")), iconButton("close", "Hide channels", () => { state.navOpen = false; changed(); }, { class: "nav-close" })),
    h("button", { type: "button", class: "jump-to", onclick: switcher }, icon("search", 15), "Go to…", h("kbd", {}, "Ctrl K")),
    h(
      "div",
      { class: "places" },
      section("Channels", [iconButton("plus", "Create a channel", create, { size: 16 })], [
        joined.map((channel) => place(channel, icon(channel.is_archived ? "archive" : channel.is_private ? "lock" : "hash", 16), channel.name)),
        visiting && place(visiting, icon(visiting.is_archived ? "archive" : "hash", 16), visiting.name),
        h("li", {}, h("button", { type: "button", class: "place quiet", onclick: browse }, icon("search", 15), h("span", { class: "place-name" }, "Browse channels"))),
      ]),
      section("Direct messages", [iconButton("plus", "New direct message", writeTo, { size: 16 })], [
        direct.map((channel) => place(channel, avatar(channel.user, { size: 20 }), [userName(channel.user), channel.user === state.me && h("span", { class: "you" }, " you")])),
        !direct.length && h("li", {}, h("button", { type: "button", class: "place quiet", onclick: writeTo }, icon("edit", 15), h("span", { class: "place-name" }, "Write to somebody"))),
      ]),
      section("Apps", [], [appPlace(app)]),
    ),
    actingAs(),
  );
}

function section(title, tools, items) {
  const id = `section-${title.replaceAll(" ", "-")}`;
  return h("section", { "aria-labelledby": id }, h("div", { class: "section-head" }, h("h2", { id }, title), tools), h("ul", {}, items));
}

function place(channel, sign, name) {
  const here = state.place.kind === "channel" && state.place.id === channel.id;
  const unread = channel.unread_count > 0 && !here;
  const mentions = channel.is_im ? channel.unread_count : channel.mention_count;
  return h(
    "li",
    { key: channel.id },
    h(
      "button",
      {
        type: "button",
        class: `place ${here ? "here" : ""} ${unread ? "unread" : ""} ${channel.is_archived ? "archived" : ""}`,
        "aria-current": here ? "page" : undefined,
        title: channel.is_archived ? `#${channel.name} (archived)` : undefined,
        onclick: () => void openChannel(channel.id),
      },
      sign,
      h("span", { class: "place-name" }, name),
      unread && h("span", { class: "visually-hidden" }, "unread"),
      mentions > 0 && !here && h("span", { class: "count", "aria-label": `${mentions} mentions` }, mentions > 99 ? "99+" : mentions),
    ),
  );
}

function appPlace(im) {
  const here = state.place.kind === "app";
  const unread = im?.unread_count > 0 && !(here && state.place.tab === "messages");
  return h(
    "li",
    { key: "app" },
    h(
      "button",
      { type: "button", class: `place ${here ? "here" : ""} ${unread ? "unread" : ""}`, "aria-current": here ? "page" : undefined, onclick: () => openApp(unread ? "messages" : "home") },
      avatar(state.app.bot_user_id, { size: 20, name: state.app.name }),
      h("span", { class: "place-name" }, state.app.name),
      h("span", { class: `presence ${state.connected ? "on" : ""}`, role: "img", "aria-label": state.connected ? "connected" : "not connected", title: state.connected ? "Connected" : "Not connected" }),
      unread && h("span", { class: "count" }, im.unread_count),
    ),
  );
}

function actingAs() {
  const id = "acting-as";
  const me = state.users.get(state.me);
  const items = people().map((user) => ({
    label: userName(user.id),
    note: user.real_name !== userName(user.id) ? user.real_name : undefined,
    icon: avatar(user.id, { size: 28 }),
    checked: user.id === state.me,
    onchoose: () => void actAs(user.id),
  }));
  return h(
    "div",
    { class: "acting anchor" },
    h(
      "button",
      { type: "button", class: "acting-button", title: "Act as somebody else", ...opener(id, changed) },
      avatar(state.me, { size: 34 }),
      h("span", { class: "acting-text" }, h("span", { class: "acting-label" }, "Acting as"), h("strong", {}, userName(state.me)), me?.real_name !== userName(state.me) && h("span", { class: "visually-hidden" }, me?.real_name)),
      icon("switch", 18),
    ),
    menu(id, "Act as", items, { class: "acting-menu" }),
  );
}

// The app's own pane: what it published as its Home, and the conversation with it.
import { viewContext } from "./actions.js";
import { blocks } from "./blocks.js";
import { h } from "./dom.js";
import { iconButton } from "./icons.js";
import { channelPane } from "./messages.js";
import { avatar } from "./people.js";
import { openApp } from "./navigation.js";
import { changed, currentChannel, state } from "./store.js";

const values = new Map(); // view id -> what its fields hold

export function appPane() {
  const { tab } = state.place;
  const channel = currentChannel();
  return [
    h(
      "header",
      { class: "pane-head app-head" },
      iconButton("menu", "Show channels", () => { state.navOpen = true; changed(); }, { class: "nav-open" }),
      h("div", { class: "pane-title" }, h("h1", {}, avatar(state.app.bot_user_id, { size: 26, name: state.app.name }), state.app.name, h("span", { class: "badge" }, "APP"))),
      h(
        "div",
        { class: "tabs", role: "tablist", "aria-label": state.app.name, onkeydown: arrows },
        ["home", "messages"].map((name) =>
          h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-selected": String(tab === name), "aria-controls": "app-panel", tabindex: tab === name ? "0" : "-1", class: tab === name ? "tab here" : "tab", onclick: () => openApp(name) }, name === "home" ? "Home" : "Messages"),
        ),
      ),
    ),
    h("div", { key: `panel-${tab}`, id: "app-panel", class: "app-panel", role: "tabpanel", "aria-labelledby": `tab-${tab}` }, tab === "home" ? home() : channel && channelPane(channel)),
  ];
}

function arrows(event) {
  if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
  const next = state.place.tab === "home" ? "messages" : "home";
  openApp(next);
  document.getElementById(`tab-${next}`)?.focus();
}

function home() {
  const view = state.home;
  if (!view) {
    return h(
      "div",
      { class: "home-empty" },
      avatar(state.app.bot_user_id, { size: 64, name: state.app.name }),
      h("h2", {}, state.homeAsked ? `${state.app.name} has not published a Home yet` : "Loading…"),
      state.homeAsked && h("p", { class: "muted" }, state.connected ? "It appears here as soon as the app publishes it." : `${state.app.name} is not connected. Its Home appears here once it is.`),
    );
  }
  if (!values.has(view.id)) values.set(view.id, {});
  return h("div", { class: "home", tabindex: "0" }, h("div", { class: "home-inner" }, blocks(viewContext(view, values.get(view.id)))));
}

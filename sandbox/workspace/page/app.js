// The page: state in, everything on screen out, once per frame at most.
import { switcher } from "./channels.js";
import { draw, h } from "./dom.js";
import { focusComposer } from "./composer.js";
import { appPane } from "./home.js";
import { icon, iconButton } from "./icons.js";
import { channelPane, revealNew } from "./messages.js";
import { modal } from "./modal.js";
import { atBottom, steady } from "./scroller.js";
import { sidebar } from "./sidebar.js";
import { markRead } from "./histories.js";
import { start } from "./session.js";
import { changed, channelName, currentChannel, dropToast, onChange, state } from "./store.js";
import { threadPane } from "./thread.js";

const root = document.getElementById("app");
let drawn = null;
let queued = null; // how to call the pending redraw off
let revealed = null;

function view() {
  if (state.failure) return h("div", { class: "app" }, h("div", { class: "failure", role: "alert" }, h("h1", {}, "The workspace did not open"), h("p", {}, state.failure), h("button", { type: "button", class: "button primary", onclick: () => location.reload() }, "Try again")));
  if (!state.ready) return h("div", { class: "app" }, h("div", { class: "failure", role: "status" }, h("span", { class: "spinner" })));
  const channel = currentChannel();
  return h(
    "div",
    { class: `app ${state.navOpen ? "nav-shown" : ""} ${state.thread ? "with-thread" : ""}` },
    banner(),
    h(
      "div",
      { class: "columns" },
      sidebar(),
      h("div", { class: "veil", onclick: () => { state.navOpen = false; changed(); } }),
      h("main", { class: "pane", key: state.place.kind }, state.place.kind === "app" ? appPane() : channel && channelPane(channel)),
      threadPane(),
    ),
    modal(),
    state.dialogs.map((dialog) => dialog.draw()),
    h(
      "div",
      { class: "toasts", role: "alert" },
      state.toasts.map((notice) => h("div", { key: notice.id, class: "toast" }, icon("warning", 18), h("span", {}, notice.message), iconButton("close", "Dismiss", () => dropToast(notice.id), { size: 16 }))),
    ),
  );
}

function banner() {
  if (!state.online) return h("div", { class: "banner severe", role: "status" }, h("span", { class: "spinner" }), "The connection to the workspace was lost. Trying again…");
  if (!state.connected) return h("div", { class: "banner", role: "status" }, icon("warning", 16), `${state.app.name ?? "The bot"} is not connected. Commands and buttons fail until it is.`);
  return null;
}

function title() {
  const channels = [...state.channels.values()];
  const mentions = channels.reduce((sum, c) => sum + ((c.is_im ? c.unread_count : c.mention_count) || 0), 0);
  const channel = currentChannel();
  const where = state.place.kind === "app" ? state.app.name : channel && `${channel.is_im ? "" : "#"}${channelName(channel.id)}`;
  document.title = [mentions ? `(${mentions})` : "", where, state.team.name].filter(Boolean).join(" · ").replace(") ·", ")");
}

function redraw() {
  queued?.();
  queued = null;
  steady(() => {
    drawn = draw(root, drawn, view());
  });
  title();
  const here = `${state.me}/${state.place.id}`;
  const history = state.histories.get(state.place.id);
  if (history?.loaded && revealed !== here) {
    revealed = here;
    revealNew();
    markRead(state.place.id);
  } else if (atBottom(".list-frame .scroller")) {
    markRead(state.place.id);
  }
}

onChange((now) => {
  if (now) {
    redraw();
    return;
  }
  if (queued) return;
  // A hidden or covered window may get no frame for long; its title still has to count.
  const frame = requestAnimationFrame(() => redraw());
  const timer = setTimeout(() => redraw(), 60);
  queued = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && state.place.id) markRead(state.place.id);
});

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && !document.querySelector("dialog[open]")) {
    event.preventDefault();
    switcher();
  } else if (event.key === "Escape" && state.navOpen) {
    state.navOpen = false;
    changed();
  } else if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]")) {
    focusComposer();
  }
});

try {
  changed();
  await start(new URL(location.href).searchParams.get("as") ?? "alice");
} catch (error) {
  state.failure = `${error.message} The address says who you are: add ?as= and a name.`;
  changed();
  throw error;
}

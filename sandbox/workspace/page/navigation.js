// Where one is: a channel, a thread, the app's pane; kept in the address, so that a reload comes back to it.
import { call } from "./api.js";
import { show } from "./histories.js";
import { attempt, changed, currentChannel, isApp, state } from "./store.js";

export function address() {
  const url = new URL(location.href);
  const me = state.users.get(state.me);
  url.search = "";
  url.searchParams.set("as", me?.name ?? state.me);
  if (state.place.kind === "app") {
    url.searchParams.set("in", "app");
    url.searchParams.set("tab", state.place.tab);
  } else {
    const channel = currentChannel();
    url.searchParams.set("in", channel && !channel.is_im ? channel.name : state.place.id);
  }
  if (state.thread) url.searchParams.set("thread", state.thread.ts);
  if (url.href !== location.href) history.replaceState(null, "", url);
}

export async function openChannel(id, threadTs) {
  const channel = state.channels.get(id);
  if (!channel) return;
  if (isApp(channel)) {
    openApp("messages");
    return;
  }
  state.place = { kind: "channel", id };
  state.navOpen = false;
  if (state.thread && state.thread.channel !== id) state.thread = null;
  address();
  await show(id);
  if (threadTs) await openThread(id, threadTs);
}

export function openApp(tab) {
  const im = [...state.channels.values()].find(isApp);
  state.place = { kind: "app", tab, id: tab === "messages" ? im?.id : undefined };
  state.thread = null;
  state.navOpen = false;
  address();
  changed();
  if (tab === "home") void attempt(loadHome);
  else if (im) void show(im.id);
  else void attempt(async () => {
    const { channel } = await call("open_im", { user: state.me, with: state.app.bot_user_id });
    state.channels.set(channel.id, channel);
    openApp("messages");
  });
}

export async function loadHome() {
  const before = state.homes;
  const { view } = await call("open_home", { user: state.me });
  // What the app published in answer may overtake the answer itself.
  if (state.homes === before) state.home = view ?? null;
  state.homeAsked = true;
  changed();
}

export async function openThread(channel, ts) {
  state.thread = { channel, ts, messages: [], loading: true };
  address();
  changed();
  await attempt(() => loadThread(state.thread));
}

export async function loadThread(thread) {
  const { messages } = await call("replies", { user: state.me, channel: thread.channel, thread_ts: thread.ts });
  thread.messages = messages;
  thread.loading = false;
  changed();
}

export function closeThread() {
  state.thread = null;
  address();
  changed();
}

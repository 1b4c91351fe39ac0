// Coming in, acting as somebody else, and hearing of what happens; after a lost line, everything on screen anew.
import { call, follow } from "./api.js";
import { forget, load, takeMessage } from "./histories.js";
import { address, loadHome, loadThread, openApp, openChannel } from "./navigation.js";
import { attempt, changed, isApp, state } from "./store.js";
import { dropViews, stack, takeView, viewClosed } from "./views.js";

let unfollow = null;

export async function start(as) {
  await boot(as);
  const wanted = new URL(location.href).searchParams;
  const named = [...state.channels.values()].find((c) => c.id === wanted.get("in") || (!c.is_im && c.name === wanted.get("in")));
  if (wanted.get("in") === "app") openApp(wanted.get("tab") ?? "home");
  else {
    const first = named ?? [...state.channels.values()].find((c) => c.is_member && !c.is_im && !c.is_archived) ?? [...state.channels.values()][0];
    if (first) await openChannel(first.id, wanted.get("thread"));
    else openApp("home");
  }
}

async function boot(as) {
  const answer = await call("boot", { user: as });
  state.users = new Map(answer.users.map((user) => [user.id, user]));
  state.me = answer.self.id;
  state.team = answer.team;
  state.app = answer.app ?? {};
  state.channels = new Map(answer.channels.map((channel) => [channel.id, channel]));
  state.commands = answer.commands ?? [];
  state.shortcuts = answer.shortcuts ?? [];
  state.connected = answer.connected;
  state.ready = true;
  state.failure = null;
  if (!unfollow) listen();
  const { views } = await call("views", { user: state.me });
  for (const gone of stack.filter((entry) => !views.some((view) => view.id === entry.view.id))) viewClosed(gone.view.id);
  for (const view of views) takeView(view);
  changed();
}

function listen() {
  let dropped = false;
  unfollow = follow(
    state.me,
    (event) => take(event),
    (up) => {
      state.online = up;
      changed();
      if (up && dropped) void attempt(resync);
      dropped = !up;
    },
  );
}

// After a gap nobody knows what was missed: ask for everything on screen again, in place.
async function resync() {
  await boot(state.me);
  for (const id of [...state.histories.keys()]) if (id !== state.place.id) state.histories.delete(id);
  const history = state.histories.get(state.place.id);
  if (history) await load(state.place.id, history);
  if (state.thread) await loadThread(state.thread);
  if (state.place.kind === "app" && state.place.tab === "home") await loadHome();
}

export async function actAs(user) {
  if (user === state.me) return;
  unfollow?.();
  unfollow = null;
  const place = state.place;
  state.histories = new Map();
  state.thread = null;
  state.home = null;
  state.editing = null;
  dropViews();
  await attempt(async () => {
    await boot(user);
    const channel = state.channels.get(place.id);
    if (place.kind === "app") openApp(place.tab);
    else if (channel) await openChannel(channel.id);
    else await openChannel([...state.channels.values()].find((c) => c.is_member && !c.is_im)?.id ?? state.channels.keys().next().value);
  });
}

function take(event) {
  const handlers = {
    message: () => takeMessage(event.channel, event.message),
    message_changed: () => {
      const history = state.histories.get(event.channel);
      const known = [...(history?.messages ?? []), ...(state.thread?.messages ?? [])].some((m) => m.ts === event.message.ts);
      if (known) takeMessage(event.channel, event.message);
    },
    message_deleted: () => forget(event.channel, event.ts),
    channel: () => {
      const id = event.channel.id ?? event.channel;
      const before = state.channels.get(id);
      state.channels.set(id, { ...before, ...event.channel });
      if (state.place.kind === "app" && state.place.tab === "messages" && !state.place.id && isApp(event.channel)) openApp("messages");
      if (before && before.name !== event.channel.name && id === state.place.id) address();
    },
    bookmarks: () => fill(event, "bookmarks"),
    members: () => fill(event, "members"),
    view: () => takeView(event.view),
    view_closed: () => viewClosed(event.view_id),
    home: () => {
      state.home = event.view;
      state.homes += 1;
    },
    connected: () => (state.connected = event.connected),
    user: () => state.users.set(event.user.id, event.user),
  };
  handlers[event.type]?.();
  changed();
}

function fill(event, field) {
  const history = state.histories.get(event.channel);
  if (history?.loading) history.stale = true;
  if (history) history[field] = event[field];
}

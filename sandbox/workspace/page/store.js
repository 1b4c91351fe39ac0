// What the page knows, and how it learns it: the boot answer, the loaded histories, and the live events on top.
import { ApiError, call, follow } from "./api.js";
import { dropViews, takeView, viewClosed } from "./views.js";

const PAGE = 60;

export const state = {
  me: null,
  team: {},
  app: {},
  users: new Map(),
  channels: new Map(),
  commands: [],
  shortcuts: [],
  connected: true, // the bot's Socket Mode
  online: true, // our own line to the workspace
  ready: false,
  failure: null,
  place: { kind: "none" }, // {kind: "channel", id} or {kind: "app", tab: "home" | "messages", id?}
  thread: null, // {channel, ts, messages, loading}
  histories: new Map(),
  home: null,
  homes: 0, // how often it was published while we looked
  drafts: new Map(),
  editing: null, // key of the message being edited
  navOpen: false,
  toasts: [],
  dialogs: [],
  local: 0,
};

let redraw = () => {};
let unfollow = null;

export const onChange = (callback) => (redraw = callback);
/** Something is different: draw with the next frame, or `now` where the very next key press has to meet it. */
export const changed = (now = false) => redraw(now === true);

/* Names */

export function userName(id) {
  const user = state.users.get(id);
  return user ? user.profile?.display_name || user.real_name || user.profile?.real_name || user.name : id;
}

export function channelName(id) {
  const channel = state.channels.get(id);
  if (!channel) return id;
  return channel.is_im ? userName(channel.user) : channel.name;
}

export const people = () => [...state.users.values()].filter((u) => !u.is_bot && !u.deleted && u.id !== "USLACKBOT");
export const isApp = (channel) => channel?.is_im && channel.user === state.app.bot_user_id;
export const messageKey = (channel, ts) => `${channel}/${ts}`;
export const currentChannel = () => state.channels.get(state.place.id);

/* Redrawing one message: its cached view is dropped by counting up. */

const touches = new WeakMap();
export const touchesOf = (message) => touches.get(message) ?? 0;

export function touch(channel, ts) {
  for (const list of [state.histories.get(channel)?.messages, state.thread?.messages]) {
    const message = list?.find((m) => m.ts === ts);
    if (message) touches.set(message, touchesOf(message) + 1);
  }
  changed();
}

/* Notices */

export function toast(message) {
  const notice = { id: (state.local += 1), message };
  state.toasts.push(notice);
  changed();
  setTimeout(() => dropToast(notice.id), 8000);
}

export function dropToast(id) {
  state.toasts = state.toasts.filter((notice) => notice.id !== id);
  changed();
}

/** Run `work`; tell the person when the workspace refuses. Gives undefined then. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message);
    return undefined;
  }
}

/** A note only this page shows, as Slackbot would write it. */
export function slackbotSays(channel, text, threadTs) {
  const message = {
    ts: `${(Date.now() / 1000).toFixed(6)}`,
    user: "USLACKBOT",
    username: "Slackbot",
    text,
    is_ephemeral: true,
    is_local: true,
    plain: true,
    ...(threadTs ? { thread_ts: threadTs } : {}),
  };
  takeMessage(channel, message);
}

/* Starting, and acting as somebody else */

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
  state.drafts = new Map();
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

/* Where one is */

function address() {
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

async function loadHome() {
  const before = state.homes;
  const { view } = await call("open_home", { user: state.me });
  // What the app published in answer may overtake the answer itself.
  if (state.homes === before) state.home = view ?? null;
  state.homeAsked = true;
  changed();
}

async function show(id) {
  const channel = state.channels.get(id);
  let history = state.histories.get(id);
  if (!history) {
    history = { messages: [], hasMore: false, bookmarks: [], members: [], loading: true, loaded: false, skip: 0, size: PAGE * 2 };
    state.histories.set(id, history);
  }
  history.newFrom = channel.unread_count > 0 && channel.is_member ? (channel.last_read ?? "0") : null;
  history.skip = 0;
  history.size = PAGE * 2;
  changed();
  if (!history.loaded) await attempt(() => load(id, history));
  markRead(id);
}

async function load(id, history) {
  history.loading = true;
  const local = history.messages.filter((m) => m.is_local);
  try {
    const answer = await call("history", { user: state.me, channel: id, limit: PAGE });
    history.messages = [...answer.messages, ...local].sort(byTs);
    history.hasMore = answer.has_more;
    history.bookmarks = answer.bookmarks ?? [];
    history.members = answer.members ?? [];
    history.loaded = true;
  } finally {
    history.loading = false;
    changed();
  }
}

const byTs = (a, b) => Number(a.ts) - Number(b.ts) || (a.ts < b.ts ? -1 : 1);

/** The slice of a history that is drawn: at most `size` messages, `skip` newest ones left out. */
export function drawn(history) {
  const end = history.messages.length - history.skip;
  return history.messages.slice(Math.max(0, end - history.size), end);
}

/** One page further back; what falls out of the window at the newer end is only not drawn. */
export async function older(id) {
  const history = state.histories.get(id);
  if (!history || history.loading) return;
  const undrawn = history.messages.length - history.skip - history.size;
  if (undrawn < PAGE && history.hasMore) {
    history.loading = true;
    changed();
    await attempt(async () => {
      const before = history.messages.find((m) => !m.is_local)?.ts;
      const answer = await call("history", { user: state.me, channel: id, before, limit: PAGE });
      const known = new Set(history.messages.map((m) => m.ts));
      history.messages = [...answer.messages.filter((m) => !known.has(m.ts)), ...history.messages];
      history.hasMore = answer.has_more && answer.messages.length > 0;
    });
    history.loading = false;
  }
  const room = history.messages.length - history.skip - history.size;
  if (room > 0) {
    const step = Math.min(PAGE, room);
    if (history.size < PAGE * 4) history.size += step;
    else history.skip += step;
  }
  changed();
}

export function newer(id) {
  const history = state.histories.get(id);
  if (!history?.skip) return;
  history.skip = Math.max(0, history.skip - PAGE);
  changed();
}

export function newest(id) {
  const history = state.histories.get(id);
  history.skip = 0;
  history.size = PAGE * 2;
  changed();
}

export function markRead(id) {
  const channel = state.channels.get(id);
  const history = state.histories.get(id);
  const last = history?.messages.findLast((m) => !m.is_local && !m.is_ephemeral && !isReply(m));
  if (!channel?.is_member || !last || document.visibilityState !== "visible" || history.skip) return;
  if (!channel.unread_count && !channel.mention_count && Number(channel.last_read ?? 0) >= Number(last.ts)) return;
  channel.unread_count = 0;
  channel.mention_count = 0;
  channel.last_read = last.ts;
  changed();
  void attempt(() => call("mark_read", { user: state.me, channel: id, ts: last.ts }));
}

/* Threads */

export async function openThread(channel, ts) {
  state.thread = { channel, ts, messages: [], loading: true };
  address();
  changed();
  await attempt(() => loadThread(state.thread));
}

async function loadThread(thread) {
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

/* Live events */

export const isReply = (m) => m.thread_ts && m.thread_ts !== m.ts && m.subtype !== "thread_broadcast";

function put(list, message) {
  const at = list.findIndex((m) => m.ts === message.ts);
  if (at >= 0) list[at] = message;
  else {
    let end = list.length;
    while (end > 0 && byTs(list[end - 1], message) > 0) end -= 1;
    list.splice(end, 0, message);
  }
  return at < 0;
}

function takeMessage(channel, message) {
  const history = state.histories.get(channel);
  if (history?.loaded && (!isReply(message) || history.messages.some((m) => m.ts === message.ts))) {
    const added = put(history.messages, message);
    if (added && history.skip) history.skip += 1;
  }
  const thread = state.thread;
  if (thread?.channel === channel && (message.thread_ts === thread.ts || message.ts === thread.ts)) put(thread.messages, message);
  changed();
}

function forget(channel, ts) {
  const history = state.histories.get(channel);
  if (history) history.messages = history.messages.filter((m) => m.ts !== ts);
  if (state.thread?.channel === channel) {
    if (state.thread.ts === ts) state.thread = null;
    else state.thread.messages = state.thread.messages.filter((m) => m.ts !== ts);
  }
  changed();
}

/** Take a note of this page only (a dismissed ephemeral message) out of sight. */
export const dismiss = forget;

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
  if (history) history[field] = event[field];
}

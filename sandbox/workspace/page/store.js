// What the page knows, the names of things in it, and how a change gets on screen.
import { ApiError } from "./api.js";

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
  editing: null, // key of the message being edited
  navOpen: false,
  toasts: [],
  dialogs: [],
  local: 0,
};

let redraw = () => {};

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

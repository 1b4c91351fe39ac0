// The loaded part of each channel: by pages, drawn as a window, kept up to date, marked as read.
import { call } from "./api.js";
import { attempt, changed, state } from "./store.js";

const PAGE = 60;

/** Draw a channel from its newest message on; loads it the first time. */
export async function show(id) {
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

export async function load(id, history) {
  history.loading = true;
  const local = history.messages.filter((m) => m.is_local);
  try {
    let answer;
    do {
      // What comes meanwhile may not be in the answer: it is asked for once more then.
      history.stale = false;
      answer = await call("history", { user: state.me, channel: id, limit: PAGE });
    } while (history.stale);
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

/* Messages that come, change and go */

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

/** A message that is new, or another version of a known one. */
export function takeMessage(channel, message) {
  const history = state.histories.get(channel);
  if (history?.loading) history.stale = true;
  if (history?.loaded && (!isReply(message) || history.messages.some((m) => m.ts === message.ts))) {
    const added = put(history.messages, message);
    if (added && history.skip) history.skip += 1;
  }
  const thread = state.thread;
  if (thread?.channel === channel && (message.thread_ts === thread.ts || message.ts === thread.ts)) put(thread.messages, message);
  changed();
}

export function forget(channel, ts) {
  const history = state.histories.get(channel);
  if (history?.loading) history.stale = true;
  if (history) history.messages = history.messages.filter((m) => m.ts !== ts);
  if (state.thread?.channel === channel) {
    if (state.thread.ts === ts) state.thread = null;
    else state.thread.messages = state.thread.messages.filter((m) => m.ts !== ts);
  }
  changed();
}

/** Take a note of this page only (a dismissed ephemeral message) out of sight. */
export const dismiss = forget;

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

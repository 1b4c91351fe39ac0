// What happens when somebody uses an element: ask, tell the workspace, show that it is on its way, and say so when
// the bot did not answer. The progress lives outside the message, so an edit that arrives meanwhile keeps it.
import { ApiError, call } from "./api.js";
import { confirm } from "./dialog.js";
import { changed, messageKey, state, touch } from "./store.js";
import { collect, plainValue } from "./values.js";
import { textObject } from "./mrkdwn.js";

const progress = new Map(); // element key -> {busy} or {failure}
const typed = new Map(); // message key -> {block_id: {action_id: value}}

export const progressOf = (ctx, blockId, element) => progress.get(elementKey(ctx, blockId, element));
const elementKey = (ctx, blockId, element) => `${ctx.key}/${blockId}/${element.action_id}/${element.value ?? ""}`;

/** Where the blocks of a message live: what their elements hold, and where their actions go. */
export function messageContext(channel, message) {
  const key = messageKey(channel, message.ts);
  if (!typed.has(key)) typed.set(key, {});
  return {
    key,
    surface: "message",
    values: typed.get(key),
    blocks: message.blocks ?? [],
    container: { type: "message", channel, ts: message.ts, is_ephemeral: Boolean(message.is_ephemeral) },
    touch: () => touch(channel, message.ts),
  };
}

/** The same for a modal or a home view; `values` belong to the caller. */
export function viewContext(view, values, errors = {}) {
  return {
    key: view.id,
    surface: view.type,
    values,
    errors,
    blocks: view.blocks ?? [],
    container: { type: "view", view_id: view.id },
    touch: changed,
  };
}

/** Keep what a field holds, without telling anyone. */
export function keep(ctx, blockId, element, value) {
  if (ctx.errors) delete ctx.errors[blockId];
  (ctx.values[blockId] ??= {})[element.action_id] = { type: element.type, ...value };
}

/** Send Slack's action object for `element`, with `fields` saying what was chosen. */
export async function act(ctx, blockId, element, fields = {}) {
  const key = elementKey(ctx, blockId, element);
  if (progress.get(key)?.busy) return;
  if (element.confirm && !(await agreed(element.confirm))) {
    ctx.touch();
    return;
  }
  progress.set(key, { busy: true });
  ctx.touch();
  const action = { type: element.type, block_id: blockId, action_id: element.action_id, ...plainValue(element), ...fields };
  try {
    await call("action", { user: state.me, container: ctx.container, action, state: { values: collect(ctx) } });
    progress.delete(key);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    progress.set(key, { failure: error.message });
  }
  ctx.touch();
}

function agreed(object) {
  return confirm({
    title: object.title?.text ?? "Are you sure?",
    body: textObject(object.text),
    yes: object.confirm?.text ?? "Yes",
    no: object.deny?.text ?? "Cancel",
    danger: object.style === "danger",
  });
}

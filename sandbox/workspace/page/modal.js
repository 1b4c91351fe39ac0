// The app's modals. The top of the stack is shown; submitting waits for the app, and says so when it does not answer.
import { viewContext } from "./actions.js";
import { ApiError, call } from "./api.js";
import { blocks } from "./blocks.js";
import { frame } from "./dialog.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { changed, state } from "./store.js";
import { collect, complaints } from "./values.js";
import { decode, textObject } from "./mrkdwn.js";
import { avatar } from "./people.js";
import { dropViews, stack, takeView, viewClosed } from "./views.js";

export function modal() {
  const entry = stack.at(-1);
  if (!entry) return null;
  const { view } = entry;
  const context = viewContext(view, entry.values, entry.errors);
  const hasInput = (view.blocks ?? []).some((block) => block.type === "input");
  const submit = view.submit ?? (hasInput ? { type: "plain_text", text: "Submit" } : null);
  const close = () => void closeView(entry);
  return frame(
    {
      key: `view-${stack[0].view.id}`,
      title: decode(view.title?.text ?? ""),
      head: h("span", { class: "modal-app" }, avatar(state.app.bot_user_id, { size: 22, name: state.app.name }), h("span", { class: "visually-hidden" }, `From ${state.app.name}`)),
      onclose: close,
      onsubmit: () => void submitView(entry, context),
      foot: [
        entry.failure && h("div", { class: "modal-failure", role: "alert" }, icon("warning", 16), entry.failure),
        h("button", { type: "button", class: "button", onclick: close }, textObject(view.close ?? { type: "plain_text", text: stack.length > 1 ? "Back" : submit ? "Cancel" : "Close" })),
        submit &&
          h(
            "button",
            { type: "submit", class: `button primary ${entry.busy ? "working" : ""}`, "aria-busy": entry.busy ? "true" : undefined },
            h("span", { class: "button-text" }, textObject(submit)),
            entry.busy && h("span", { class: "spinner", role: "status", "aria-label": "Sending" }),
          ),
      ],
    },
    h("div", { key: view.id }, blocks(context)),
  );
}

async function submitView(entry, context) {
  if (entry.busy) return;
  entry.failure = null;
  entry.errors = complaints(context);
  if (Object.keys(entry.errors).length) {
    complain(entry);
    return;
  }
  entry.busy = true;
  changed();
  try {
    const { response } = await call("submit_view", { user: state.me, view_id: entry.view.id, state: { values: collect(context) } });
    apply(entry, response ?? {});
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    entry.failure = error.code === "dispatch_failed" ? "We had some trouble connecting. Try again?" : error.message;
  }
  entry.busy = false;
  changed();
}

// `update` and `push` also arrive as live events; here they count only when they came with the answer.
function apply(entry, response) {
  switch (response.response_action) {
    case "errors":
      entry.errors = response.errors ?? {};
      complain(entry);
      return;
    case "clear":
      dropViews();
      return;
    case "update":
    case "push":
      if (response.view?.id) takeView(response.view);
      return;
    default:
      viewClosed(entry.view.id);
  }
}

// Take people to the first field that needs them.
function complain(entry) {
  const known = new Set((entry.view.blocks ?? []).map((block) => block.block_id));
  const lost = Object.entries(entry.errors).filter(([block]) => !known.has(block));
  if (lost.length) entry.failure = lost.map(([, sentence]) => sentence).join(" ");
  changed(true);
  document.querySelector("dialog .input.invalid :is(input, textarea, button)")?.focus();
}

async function closeView(entry) {
  viewClosed(entry.view.id);
  changed();
  try {
    await call("close_view", { user: state.me, view_id: entry.view.id });
  } catch (error) {
    // The view is gone on this side; the app only misses its note of it.
    if (!(error instanceof ApiError)) throw error;
  }
}

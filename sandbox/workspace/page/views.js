// The stack of open modals, and what people have typed into them. The workspace keeps the views; only the values
// live here until they are submitted.

export const stack = []; // {view, values, errors, busy, failure}

/** A modal was opened, updated (same id) or pushed on top of its previous one. */
export function takeView(view) {
  if (view.type !== "modal") return;
  const open = stack.find((entry) => entry.view.id === view.id);
  if (open) {
    open.view = view;
    open.errors = {};
    return;
  }
  const below = stack.findIndex((entry) => entry.view.id === view.previous_view_id);
  stack.splice(below + 1, stack.length, { view, values: {}, errors: {}, busy: false, failure: null });
}

/** Closing a view closes what was pushed on top of it. */
export function viewClosed(id) {
  const at = stack.findIndex((entry) => entry.view.id === id);
  if (at >= 0) stack.splice(at, stack.length);
}

export function dropViews() {
  stack.length = 0;
}

// Dialogs on the browser's own <dialog>: it keeps the focus inside, makes the rest inert and gives the focus back.
import { h } from "./dom.js";
import { iconButton } from "./icons.js";
import { changed, state } from "./store.js";

/** A dialog's frame. `onclose` is asked on Esc and on the cross; the caller takes the dialog out of the tree. */
export function frame({ key, title, onclose, size = "", head, foot, onsubmit }, ...body) {
  const id = `title-${key}`;
  const content = [
    h(
      "header",
      { class: "dialog-head" },
      h("h2", { id }, title),
      head,
      iconButton("close", "Close", onclose, { class: "dialog-close", size: 20 }),
    ),
    h("div", { class: "dialog-body" }, ...body),
    foot && h("footer", { class: "dialog-foot" }, foot),
  ];
  return h(
    "dialog",
    {
      key,
      class: `dialog ${size}`,
      "aria-labelledby": id,
      mount: (el) => {
        el.showModal();
        const first = el.querySelector("[autofocus], .dialog-body :is(input, textarea, select, button):not([disabled])");
        (first ?? el.querySelector(".dialog-foot .primary") ?? el.querySelector("button"))?.focus();
      },
      unmount: (el) => el.close(),
      oncancel: (event) => {
        event.preventDefault();
        onclose();
      },
      // Chromium closes on a second Esc even when the first was refused; the tree decides, not the browser.
      onkeydown: (event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        event.stopPropagation();
        onclose();
      },
    },
    onsubmit
      ? h("form", { class: "dialog-form", novalidate: true, onsubmit: (event) => { event.preventDefault(); onsubmit(event); } }, content)
      : h("div", { class: "dialog-form" }, content),
  );
}

/** Put a dialog on top. `view(close)` draws it; gives what `close(value)` was called with. */
export function open(view) {
  return new Promise((resolve) => {
    const entry = { id: `dialog-${(state.local += 1)}` };
    entry.close = (value) => {
      state.dialogs = state.dialogs.filter((other) => other !== entry);
      changed(true);
      resolve(value);
    };
    entry.draw = () => view(entry.close, entry.id);
    state.dialogs.push(entry);
    changed(true);
  });
}

/** Ask before something that matters; gives true or false. Texts are nodes. */
export function confirm({ title, body, yes = "Yes", no = "Cancel", danger = false }) {
  return open((close, key) =>
    frame(
      {
        key,
        title,
        size: "small",
        onclose: () => close(false),
        onsubmit: () => close(true),
        foot: [
          h("button", { type: "button", class: "button", onclick: () => close(false) }, no),
          h("button", { type: "submit", class: `button ${danger ? "danger" : "primary"}`, autofocus: true }, yes),
        ],
      },
      body,
    ),
  ).then(Boolean);
}

/** A picture, large. */
export function enlarge(src, alt) {
  void open((close, key) =>
    frame({ key, title: alt || "Picture", size: "large", onclose: () => close() }, h("img", { class: "enlarged", src, alt })),
  );
}

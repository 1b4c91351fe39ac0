// A scrolling list of messages that stays where the reader is: at the bottom when they are there, otherwise at the
// message they look at, whatever is added above, edited, or loaded late.
import { h } from "./dom.js";

const NEAR = 60;
const all = new Map(); // element -> {stick, top, anchor, props, observer}

/** `ontop`/`onbottom` ask for more; `onread` says the reader is at the newest message. */
export function scroller({ key, ontop, onbottom, onread, onmove, label, live }, ...kids) {
  return h(
    "div",
    {
      key,
      class: "scroller",
      role: "log",
      "aria-label": label,
      "aria-live": live ?? "polite",
      tabindex: "0",
      mount: (el) => {
        const held = { stick: true, top: 0, ontop, onbottom, onread, onmove };
        all.set(el, held);
        held.observer = new ResizeObserver(() => held.stick && bottom(el));
        held.observer.observe(el);
        held.observer.observe(el.firstElementChild);
        bottom(el);
      },
      unmount: (el) => {
        all.get(el)?.observer.disconnect();
        all.delete(el);
      },
      onscroll: (event) => scrolled(event.currentTarget),
      onkeydown: arrows,
    },
    h("div", { class: "scrolled" }, ...kids),
  );
}

function bottom(el) {
  el.scrollTop = el.scrollHeight;
  all.get(el).top = el.scrollTop;
}

function scrolled(el) {
  const held = all.get(el);
  if (!held) return;
  const left = el.scrollHeight - el.scrollTop - el.clientHeight;
  const before = held.stick;
  // Content that grew since the last frame is not the reader's doing: only moving up lets go of the bottom.
  if (left < NEAR) held.stick = true;
  else if (el.scrollTop < held.top - 1) held.stick = false;
  held.top = el.scrollTop;
  if (el.scrollTop < 400) held.ontop?.();
  if (left < 400) held.onbottom?.();
  if (held.stick) held.onread?.();
  if (held.stick !== before) held.onmove?.();
}


/** Whether the reader is at the newest message; true for a list that does not scroll. */
export function atBottom(selector) {
  return all.get(document.querySelector(selector))?.stick ?? false;
}

export function toBottom(selector) {
  const el = document.querySelector(selector);
  if (!el || !all.has(el)) return;
  all.get(el).stick = true;
  bottom(el);
}

/** Let go of the bottom and show `target` near the top. */
export function reveal(el, target) {
  all.get(el).stick = false;
  el.scrollTop += target.getBoundingClientRect().top - el.getBoundingClientRect().top - 60;
  all.get(el).top = el.scrollTop;
}

/** Around every redraw: remember what is being looked at, and put it back to where it was. */
export function steady(redraw) {
  const anchors = [];
  for (const [el, held] of all) {
    if (held.stick) continue;
    const edge = el.getBoundingClientRect().top;
    const first = [...el.querySelectorAll(".message")].find((message) => message.getBoundingClientRect().bottom > edge);
    if (first) anchors.push([el, first, first.getBoundingClientRect().top]);
  }
  redraw();
  for (const [el, first, was] of anchors) {
    if (!first.isConnected) continue;
    const moved = first.getBoundingClientRect().top - was;
    if (Math.abs(moved) > 0.5) el.scrollTop += moved;
    if (all.has(el)) all.get(el).top = el.scrollTop;
  }
  for (const [el, held] of all) if (held.stick) bottom(el);
}

// Arrow keys walk from message to message; Tab goes on into what a message offers.
function arrows(event) {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!step || event.target.closest("input, textarea, select, .popover, [role=menu]")) return;
  const messages = [...event.currentTarget.querySelectorAll(".message")];
  const here = messages.indexOf(event.target.closest(".message"));
  const next = messages[here < 0 ? messages.length - 1 : here + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

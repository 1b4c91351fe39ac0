// Menus and listboxes. One is open at a time; which one is state, so a redraw of what it hangs on keeps it open.
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { changed } from "./store.js";

let current = null; // {id, active, filter, anchor, onchange}

export const isOpen = (id) => current?.id === id;

export function openMenu(id, anchor, refresh = () => {}) {
  const before = current;
  current = { id, active: 0, filter: "", anchor, refresh };
  before?.refresh();
  refresh();
  changed(true);
}

export function closeMenu(giveFocusBack = true) {
  if (!current) return;
  const { anchor, refresh } = current;
  current = null;
  refresh();
  changed();
  if (giveFocusBack) anchor.focus();
}

function redraw(now) {
  current?.refresh();
  changed(now);
}

// Esc belongs to the menu first, then to the dialog around it.
document.addEventListener(
  "keydown",
  (event) => {
    if (event.key !== "Escape" || !current) return;
    event.preventDefault();
    event.stopPropagation();
    closeMenu();
  },
  true,
);
document.addEventListener(
  "pointerdown",
  (event) => {
    if (current && !event.target.closest(".popover") && !current.anchor.contains(event.target)) closeMenu(false);
  },
  true,
);
window.addEventListener("resize", () => closeMenu(false));

/** Props for the button that opens the menu `id`. */
export function opener(id, refresh, kind = "menu") {
  return {
    "aria-haspopup": kind,
    "aria-expanded": String(isOpen(id)),
    onclick: (event) => (isOpen(id) ? closeMenu() : openMenu(id, event.currentTarget, refresh)),
    onkeydown: (event) => {
      if (event.key !== "ArrowDown" || isOpen(id)) return;
      event.preventDefault();
      openMenu(id, event.currentTarget, refresh);
    },
  };
}

function place(el) {
  el.showPopover();
  const anchor = current.anchor.getBoundingClientRect();
  if (el.classList.contains("listbox")) el.style.setProperty("min-width", `${Math.min(anchor.width, 380)}px`);
  const { width, height } = el.getBoundingClientRect();
  const below = anchor.bottom + 4 + height <= innerHeight - 8 || anchor.top < height;
  const top = below ? Math.min(anchor.bottom + 4, innerHeight - height - 8) : anchor.top - height - 4;
  const right = el.classList.contains("align-right");
  const left = right ? anchor.right - width : anchor.left;
  el.style.setProperty("top", `${Math.max(8, top)}px`);
  el.style.setProperty("left", `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`);
  (el.querySelector("input, [tabindex='0'], button") ?? el).focus({ preventScroll: true });
}

/** Any content in a popover of the menu `id`; null while it is closed. */
export function popover(id, props, ...kids) {
  if (!isOpen(id)) return null;
  const { class: extra = "", ...rest } = props;
  return h("div", { key: `popover-${id}`, class: `popover ${extra}`, popover: "manual", tabindex: "-1", mount: place, ...rest }, ...kids);
}

function move(event, count, choose) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && count) current.active = (current.active + step + count) % count;
  else if (event.key === "Home" && count) current.active = 0;
  else if (event.key === "End" && count) current.active = count - 1;
  else if (event.key === "Enter" || (event.key === " " && event.target.tagName !== "INPUT")) choose(current.active);
  else if (event.key === "Tab") {
    closeMenu();
    return;
  } else return;
  event.preventDefault();
  redraw();
  requestAnimationFrame(() => document.querySelector(".popover .active")?.scrollIntoView({ block: "nearest" }));
}

/** A menu of commands: items are {label, icon?, danger?, note?, checked?, onchoose}. */
export function menu(id, label, items, props = {}) {
  if (!isOpen(id)) return null;
  const choose = (index) => {
    closeMenu();
    items[index].onchoose();
  };
  return popover(
    id,
    { ...props, class: `menu ${props.class ?? ""}` },
    h(
      "div",
      { role: "menu", "aria-label": label, tabindex: "0", "aria-activedescendant": `${id}-${current.active}`, onkeydown: (event) => move(event, items.length, choose) },
      items.map((item, index) =>
        h(
          "div",
          {
            id: `${id}-${index}`,
            role: item.checked === undefined ? "menuitem" : "menuitemradio",
            "aria-checked": item.checked === undefined ? undefined : String(item.checked),
            class: `option ${item.danger ? "danger" : ""} ${index === current.active ? "active" : ""}`,
            onclick: () => choose(index),
            onpointermove: () => hover(index),
          },
          item.icon,
          h("span", { class: "option-text" }, h("span", { class: "option-label" }, item.label), item.note && h("span", { class: "option-note" }, item.note)),
          item.checked && icon("check", 16),
        ),
      ),
    ),
  );
}

function hover(index) {
  if (!current || current.active === index) return;
  current.active = index;
  redraw();
}

/**
 * A list to choose from. options: {label (words), view (nodes), note?, group?, chosen, onchoose}.
 * `multiple` keeps it open; a filter appears when the list is long.
 */
export function listbox(id, label, options, { multiple = false, filter = options.length > 8, empty = "Nothing matches." } = {}) {
  if (!isOpen(id)) return null;
  const wanted = current.filter.toLowerCase();
  const shown = options.filter((option) => option.label.toLowerCase().includes(wanted));
  current.active = Math.min(current.active, Math.max(0, shown.length - 1));
  const choose = (index) => {
    if (!shown[index]) return;
    if (!multiple) closeMenu();
    shown[index].onchoose();
    redraw();
  };
  const keys = {
    onkeydown: (event) => move(event, shown.length, choose),
    "aria-activedescendant": shown.length ? `${id}-${current.active}` : undefined,
  };
  let group = null;
  return popover(
    id,
    { class: "listbox" },
    filter &&
      h("input", {
        type: "text",
        class: "field filter",
        placeholder: "Search",
        "aria-label": `Search: ${label}`,
        role: "combobox",
        "aria-expanded": "true",
        "aria-controls": `${id}-list`,
        autocomplete: "off",
        oninput: (event) => {
          current.filter = event.target.value;
          current.active = 0;
          redraw(true);
        },
        ...keys,
      }),
    h(
      "div",
      { id: `${id}-list`, role: "listbox", "aria-label": label, "aria-multiselectable": multiple ? "true" : undefined, class: "options", ...(filter ? {} : { tabindex: "0", ...keys }) },
      shown.flatMap((option, index) => {
        const heading = option.group && option.group !== group && h("div", { class: "option-group", role: "presentation" }, option.group);
        group = option.group;
        return [
          heading,
          h(
            "div",
            {
              id: `${id}-${index}`,
              role: "option",
              "aria-selected": String(Boolean(option.chosen)),
              class: `option ${index === current.active ? "active" : ""}`,
              onclick: () => choose(index),
              onpointermove: () => hover(index),
            },
            h("span", { class: "option-text" }, h("span", { class: "option-label" }, option.view ?? option.label), option.note && h("span", { class: "option-note" }, option.note)),
            option.chosen && icon("check", 16),
          ),
        ];
      }),
      !shown.length && h("div", { class: "option-empty" }, empty),
    ),
  );
}

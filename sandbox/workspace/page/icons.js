// Line icons on a 24-unit grid, drawn with the text's colour.
import { h } from "./dom.js";

const PATHS = {
  hash: "M4 9h16M4 15h16M10 3 8 21M16 3l-2 18",
  lock: "M5 11h14v10H5zM8 11V7a4 4 0 0 1 8 0v4",
  archive: "M3 4h18v5H3zM5 9v11h14V9M10 13h4",
  plus: "M12 5v14M5 12h14",
  smile: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M8 14s1.5 2 4 2 4-2 4-2M9 9h.01M15 9h.01",
  reply: "M21 12a8 8 0 0 1-8 8H4l2-3a8 8 0 1 1 15-5M8 10h8M8 14h5",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  dots: "M5 12h.01M12 12h.01M19 12h.01",
  vdots: "M12 5h.01M12 12h.01M12 19h.01",
  send: "M4 4l17 8-17 8 3-8zM7 12h8",
  clip: "M20 11l-8.5 8.5a5 5 0 0 1-7-7L13 4a3.5 3.5 0 0 1 5 5l-8.5 8.5a2 2 0 0 1-3-3L14 7",
  users: "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8M2 21c0-4 3-6 7-6s7 2 7 6M16 3.5a4 4 0 0 1 0 7M18 15c3 .6 4 3 4 6",
  close: "M6 6l12 12M18 6 6 18",
  down: "M6 9l6 6 6-6",
  arrowDown: "M12 5v14M6 13l6 6 6-6",
  menu: "M4 6h16M4 12h16M4 18h16",
  check: "M5 12.5l4.5 4.5L19 7",
  warning: "M12 4 2.5 20h19zM12 10v4M12 17h.01",
  download: "M12 4v11M7 11l5 5 5-5M4 20h16",
  file: "M6 3h8l5 5v13H6zM14 3v5h5",
  bookmark: "M6 4h12v17l-6-4-6 4z",
  eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7-10-7-10-7M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14M20 20l-4-4",
  switch: "M8 9l4-4 4 4M16 15l-4 4-4-4",
  at: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8M16 8v5a3 3 0 0 0 5 0v-1a9 9 0 1 0-4 7",
  bolt: "M13 3 5 14h6l-1 7 8-11h-6z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  exit: "M10 4H4v16h6M15 8l4 4-4 4M19 12H9",
};

export function icon(name, size = 18) {
  return h(
    "svg",
    { class: `icon icon-${name}`, viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true", focusable: "false" },
    h("path", { d: PATHS[name] }),
  );
}

export function iconButton(name, label, onclick, props = {}) {
  const { class: extra = "", size = 18, ...rest } = props;
  return h("button", { type: "button", class: `icon-button ${extra}`, "aria-label": label, title: label, onclick, ...rest }, icon(name, size));
}

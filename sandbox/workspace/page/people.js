// People and apps: their colour, their initials, their name as others see it.
import { h } from "./dom.js";
import { state, userName } from "./store.js";

const HUES = [262, 205, 158, 24, 338, 184, 290, 42, 228, 100];

// By their place in the workspace, so that the few people there never look alike.
function hue(id, name) {
  const at = [...state.users.keys()].indexOf(id);
  if (at >= 0) return HUES[at % HUES.length];
  let sum = 0;
  for (const c of name) sum = (sum * 31 + c.codePointAt(0)) % 9973;
  return HUES[sum % HUES.length];
}

export function initials(name) {
  const parts = name.trim().split(/[\s._-]+/).filter(Boolean);
  const letters = parts.length > 1 ? parts[0][0] + parts.at(-1)[0] : (parts[0] ?? "?")[0];
  return letters.toUpperCase();
}

export function avatar(id, { size = 36, name = userName(id ?? "") } = {}) {
  const user = state.users.get(id);
  const bot = user?.is_bot || id === "USLACKBOT";
  const letters = bot ? name.slice(0, 1).toUpperCase() : initials(user?.real_name || name);
  return h(
    "span",
    {
      class: `avatar ${bot ? "bot" : ""}`,
      "aria-hidden": "true",
      style: { "--hue": String(bot && id === state.app.bot_user_id ? 158 : hue(id, name)), "--size": `${size}px` },
    },
    letters,
  );
}

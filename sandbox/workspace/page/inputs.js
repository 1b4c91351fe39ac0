// Block Kit's interactive elements. Each holds its value in `ctx.values`, in Slack's own state shape, until then
// the element's `initial_…` counts.
import { act, keep, progressOf } from "./actions.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { decode, textObject } from "./mrkdwn.js";
import { listbox, menu, opener } from "./menu.js";
import { people, state, userName } from "./store.js";
import { valueOf } from "./values.js";

const words = (object) => decode(object?.text ?? "");

/** `field` is {label, describedBy, invalid, dispatch} inside an input block; without it, every change is an action. */
export function element(ctx, block, item, field) {
  const draw = ELEMENTS[item.type];
  if (!draw) return h("span", { class: "unsupported" }, `This workspace cannot show a ${item.type} element.`);
  return [draw(ctx, block, item, field), trouble(ctx, block, item)];
}

function trouble(ctx, block, item) {
  const failure = progressOf(ctx, block, item)?.failure;
  return failure && h("span", { class: "trouble", role: "alert" }, icon("warning", 16), failure);
}

const busy = (ctx, block, item) => progressOf(ctx, block, item)?.busy;

// In an input block a change is only kept, unless `dispatch_action` asks for more.
function choose(ctx, block, item, field, value) {
  if (item.confirm && !field) {
    void act(ctx, block, item, value);
    return;
  }
  keep(ctx, block, item, value);
  if (!field || field.dispatch) void act(ctx, block, item, value);
  ctx.touch();
}

function label(field, fallback) {
  return { "aria-label": field?.label ?? fallback, "aria-describedby": field?.describedBy, "aria-invalid": field?.invalid ? "true" : undefined };
}

function button(ctx, block, item) {
  const working = busy(ctx, block, item);
  const props = {
    class: `button ${item.style ?? ""} ${working ? "working" : ""}`,
    "aria-busy": working ? "true" : undefined,
    "aria-label": item.accessibility_label,
    onclick: () => void act(ctx, block, item),
  };
  const text = h("span", { class: "button-text" }, textObject(item.text));
  if (item.url && /^https?:/i.test(item.url)) return h("a", { ...props, href: item.url, target: "_blank", rel: "noopener noreferrer" }, text);
  return h("button", { ...props, type: "button" }, text, working && h("span", { class: "spinner", role: "status", "aria-label": "Working" }));
}

function overflow(ctx, block, item) {
  const id = `${ctx.key}/${block}/${item.action_id}`;
  const items = item.options.map((option) => ({
    label: textObject(option.text),
    note: option.description && words(option.description),
    onchoose: () => {
      if (option.url && /^https?:/i.test(option.url)) window.open(option.url, "_blank", "noopener");
      void act(ctx, block, item, { selected_option: option });
    },
  }));
  return h(
    "span",
    { class: "anchor" },
    h("button", { type: "button", class: `button square ${busy(ctx, block, item) ? "working" : ""}`, "aria-label": "More options", ...opener(id, ctx.touch) }, icon("dots")),
    menu(id, "More options", items, { class: "align-right" }),
  );
}

function select(ctx, block, item, field, { options, shown, multiple = false, chips = [] }) {
  const id = `${ctx.key}/${block}/${item.action_id}`;
  const placeholder = words(item.placeholder) || "Choose…";
  const text = multiple ? chips.map((chip) => h("span", { class: "chip" }, chip)) : shown;
  const filled = multiple ? chips.length : shown;
  return h(
    "span",
    { class: "anchor select-anchor" },
    h(
      "button",
      {
        type: "button",
        class: `select ${busy(ctx, block, item) ? "working" : ""}`,
        ...opener(id, ctx.touch, "listbox"),
        ...label(field, filled && !multiple ? `${placeholder}: ${shown}` : placeholder),
      },
      h("span", { class: filled ? "select-text" : "select-text placeholder" }, filled ? text : placeholder),
      icon("down", 16),
    ),
    listbox(id, field?.label ?? placeholder, options, { multiple }),
  );
}

const optionsOf = (item) =>
  item.options?.map((option) => ({ option })) ?? item.option_groups?.flatMap((group) => group.options.map((option) => ({ option, group: words(group.label) }))) ?? [];

function staticSelect(ctx, block, item, field) {
  const chosen = valueOf(ctx, block, item).selected_option;
  const options = optionsOf(item).map(({ option, group }) => ({
    label: words(option.text),
    view: textObject(option.text),
    note: option.description && words(option.description),
    group,
    chosen: option.value === chosen?.value,
    onchoose: () => choose(ctx, block, item, field, { selected_option: option }),
  }));
  return select(ctx, block, item, field, { options, shown: chosen && words(chosen.text) });
}

function multiStaticSelect(ctx, block, item, field) {
  const chosen = valueOf(ctx, block, item).selected_options;
  const options = optionsOf(item).map(({ option, group }) => {
    const on = chosen.some((one) => one.value === option.value);
    const next = on ? chosen.filter((one) => one.value !== option.value) : [...chosen, option];
    return {
      label: words(option.text),
      view: textObject(option.text),
      group,
      chosen: on,
      onchoose: () => next.length <= (item.max_selected_items ?? Infinity) && choose(ctx, block, item, field, { selected_options: next }),
    };
  });
  return select(ctx, block, item, field, { options, multiple: true, chips: chosen.map((one) => words(one.text)) });
}

const personOptions = () => people().map((user) => ({ id: user.id, label: userName(user.id), note: user.real_name !== userName(user.id) ? user.real_name : undefined }));
const channelOptions = () => [...state.channels.values()].filter((c) => !c.is_im && !c.is_archived).map((c) => ({ id: c.id, label: `#${c.name}` }));
const conversationOptions = () => [...channelOptions(), ...[...state.channels.values()].filter((c) => c.is_im).map((c) => ({ id: c.id, label: userName(c.user) }))];

const one = (source, name) => (ctx, block, item, field) => {
  const chosen = valueOf(ctx, block, item)[name];
  const all = source();
  const options = all.map((entry) => ({ ...entry, chosen: entry.id === chosen, onchoose: () => choose(ctx, block, item, field, { [name]: entry.id }) }));
  return select(ctx, block, item, field, { options, shown: chosen && (all.find((entry) => entry.id === chosen)?.label ?? chosen) });
};

const several = (source, name) => (ctx, block, item, field) => {
  const chosen = valueOf(ctx, block, item)[name];
  const all = source();
  const options = all.map((entry) => {
    const on = chosen.includes(entry.id);
    const next = on ? chosen.filter((id) => id !== entry.id) : [...chosen, entry.id];
    return { ...entry, chosen: on, onchoose: () => next.length <= (item.max_selected_items ?? Infinity) && choose(ctx, block, item, field, { [name]: next }) };
  });
  return select(ctx, block, item, field, { options, multiple: true, chips: chosen.map((id) => all.find((entry) => entry.id === id)?.label ?? id) });
};

function choices(ctx, block, item, field, type) {
  const value = valueOf(ctx, block, item);
  const name = `${ctx.key}/${block}/${item.action_id}`;
  const chosen = type === "radio" ? [value.selected_option].filter(Boolean) : value.selected_options;
  return h(
    "div",
    { class: "choices", role: type === "radio" ? "radiogroup" : "group", ...label(field, words(item.placeholder) || undefined) },
    item.options.map((option) => {
      const on = chosen.some((entry) => entry.value === option.value);
      return h(
        "label",
        { class: "choice" },
        h("input", {
          type,
          name,
          checked: on,
          onchange: () => {
            if (type === "radio") choose(ctx, block, item, field, { selected_option: option });
            else choose(ctx, block, item, field, { selected_options: on ? chosen.filter((entry) => entry.value !== option.value) : [...chosen, option] });
          },
        }),
        h("span", {}, h("span", {}, textObject(option.text)), option.description && h("span", { class: "option-note" }, textObject(option.description))),
      );
    }),
  );
}

function textInput(ctx, block, item, field) {
  const kind = { email_text_input: "email", url_text_input: "url" }[item.type] ?? "text";
  const value = valueOf(ctx, block, item).value ?? "";
  const triggers = item.dispatch_action_config?.trigger_actions_on ?? ["on_enter_pressed"];
  const dispatch = field?.dispatch;
  const props = {
    class: "field",
    value,
    placeholder: words(item.placeholder),
    autofocus: item.focus_on_load,
    inputmode: item.type === "number_input" ? "decimal" : undefined,
    ...label(field, words(item.placeholder)),
    oninput: (event) => {
      keep(ctx, block, item, { value: event.target.value === "" ? null : event.target.value });
      if (dispatch && triggers.includes("on_character_entered")) void act(ctx, block, item, { value: event.target.value });
      ctx.touch();
    },
    onkeydown: (event) => {
      if (event.key !== "Enter" || !dispatch || item.multiline || !triggers.includes("on_enter_pressed")) return;
      event.preventDefault();
      void act(ctx, block, item, { value: event.target.value });
    },
  };
  const left = item.max_length && value.length > item.max_length * 0.8 ? item.max_length - value.length : null;
  return [
    item.multiline ? h("textarea", { ...props, rows: "4" }) : h("input", { ...props, type: kind, autocomplete: "off" }),
    left !== null && h("span", { class: `counter ${left < 0 ? "over" : ""}`, "aria-live": "polite" }, `${left} left`),
  ];
}

// The browser's own pickers know the reader's language and the keyboard.
const picker = (type, read, write) => (ctx, block, item, field) =>
  h("input", {
    type,
    class: "field picker",
    value: read(valueOf(ctx, block, item)),
    ...label(field, words(item.placeholder) || { date: "Date", time: "Time" }[type] || "Date and time"),
    onchange: (event) => choose(ctx, block, item, field, write(event.target.value || null)),
  });

const pad = (number) => String(number).padStart(2, "0");
function localDateTime(unix) {
  if (!unix) return "";
  const d = new Date(unix * 1000);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}T${pad(d.getHours())}:${pad(d.getMinutes())}`;
}

function image(ctx, block, item) {
  return h("img", { class: "accessory-image", src: ownAddress(item.image_url ?? fileAddress(item.slack_file)), alt: item.alt_text ?? "" });
}

/** Where the workspace serves a `slack_file` ({id} or {url}). */
export const fileAddress = (file) => file?.url ?? (file?.id ? `files/${encodeURIComponent(file.id)}/picture` : "");

/** Only what the workspace itself serves is loaded; "" otherwise. */
export function ownAddress(url) {
  if (!url) return "";
  try {
    const parsed = new URL(url, location.href);
    const local = new Set([location.hostname, "127.0.0.1", "localhost"]);
    return parsed.origin === location.origin || (local.has(parsed.hostname) && parsed.port === location.port) ? parsed.pathname + parsed.search : "";
  } catch {
    return "";
  }
}

const ELEMENTS = {
  button,
  overflow,
  image,
  static_select: staticSelect,
  multi_static_select: multiStaticSelect,
  users_select: one(personOptions, "selected_user"),
  multi_users_select: several(personOptions, "selected_users"),
  conversations_select: one(conversationOptions, "selected_conversation"),
  multi_conversations_select: several(conversationOptions, "selected_conversations"),
  channels_select: one(channelOptions, "selected_channel"),
  multi_channels_select: several(channelOptions, "selected_channels"),
  radio_buttons: (ctx, block, item, field) => choices(ctx, block, item, field, "radio"),
  checkboxes: (ctx, block, item, field) => choices(ctx, block, item, field, "checkbox"),
  plain_text_input: textInput,
  number_input: textInput,
  email_text_input: textInput,
  url_text_input: textInput,
  datepicker: picker("date", (v) => v.selected_date ?? "", (text) => ({ selected_date: text })),
  timepicker: picker("time", (v) => v.selected_time ?? "", (text) => ({ selected_time: text })),
  datetimepicker: picker(
    "datetime-local",
    (v) => localDateTime(v.selected_date_time),
    (text) => ({ selected_date_time: text ? Math.floor(new Date(text).getTime() / 1000) : null }),
  ),
};

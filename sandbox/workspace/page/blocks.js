// Block Kit's layout blocks to nodes. A block this page does not know says so: a silent gap would hide a mistake.
import { h } from "./dom.js";
import { enlarge } from "./dialog.js";
import { emoji } from "./emoji.js";
import { icon } from "./icons.js";
import { element, fileAddress, ownAddress } from "./inputs.js";
import { blockId } from "./values.js";
import { markdown } from "./markdown.js";
import { decode, link, textObject } from "./mrkdwn.js";
import { richText } from "./richtext.js";

export function blocks(ctx) {
  return h("div", { class: "blocks" }, ctx.blocks.map((block, index) => layout(ctx, block, blockId(block, index))));
}

function layout(ctx, block, id) {
  const draw = LAYOUTS[block.type];
  const body = draw ? draw(ctx, block, id) : h("div", { class: "unsupported" }, `This workspace cannot show a block of type “${block.type}”.`);
  return h("div", { key: id, class: `block block-${block.type}` }, body);
}

const accessory = (ctx, block, id) => block.accessory && h("div", { class: "accessory" }, element(ctx, id, block.accessory));

function section(ctx, block, id) {
  return [
    h(
      "div",
      { class: "section-main" },
      block.text && h("div", { class: "text" }, textObject(block.text)),
      block.fields && h("div", { class: "fields" }, block.fields.map((field) => h("div", { class: "text" }, textObject(field)))),
    ),
    accessory(ctx, block, id),
  ];
}

function context(ctx, block) {
  return block.elements.map((item) =>
    item.type === "image"
      ? h("img", { class: "context-image", src: ownAddress(item.image_url ?? fileAddress(item.slack_file)), alt: item.alt_text ?? "" })
      : h("span", { class: "text" }, textObject(item)),
  );
}

function image(ctx, block) {
  const source = block.image_url ?? fileAddress(block.slack_file);
  const address = ownAddress(source);
  const alt = block.alt_text ?? "";
  return h(
    "figure",
    { class: "picture" },
    block.title && h("figcaption", {}, textObject(block.title)),
    address
      ? h("button", { type: "button", class: "picture-button", "aria-label": `Enlarge: ${alt || "picture"}`, onclick: () => enlarge(address, alt) }, h("img", { src: address, alt, loading: "lazy" }))
      : h("span", { class: "elsewhere" }, "A picture elsewhere: ", link(source, alt || source)),
  );
}

function input(ctx, block, id) {
  const label = decode(block.label?.text ?? "");
  const error = ctx.errors?.[id];
  const describedBy = [block.hint && `${ctx.key}-${id}-hint`, error && `${ctx.key}-${id}-error`].filter(Boolean).join(" ");
  return h(
    "div",
    { class: `input ${error ? "invalid" : ""}`, "data-block": id },
    h("div", { class: "input-label" }, textObject(block.label), block.optional && h("span", { class: "optional" }, " (optional)")),
    element(ctx, id, block.element, { label, describedBy: describedBy || undefined, invalid: error, dispatch: block.dispatch_action }),
    error && h("div", { class: "input-error", id: `${ctx.key}-${id}-error`, role: "alert" }, icon("warning", 15), error),
    block.hint && h("div", { class: "input-hint", id: `${ctx.key}-${id}-hint` }, textObject(block.hint)),
  );
}

function table(ctx, block) {
  const [head, ...rows] = block.rows ?? [];
  const align = (column) => ({ "text-align": block.column_settings?.[column]?.align ?? "left" });
  const cell = (item) => (item.type === "rich_text" ? richText(item) : String(item.text ?? ""));
  const row = (tag, items) => h("tr", {}, (items ?? []).map((item, column) => h(tag, { style: align(column) }, cell(item))));
  return h(
    "div",
    { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Table" },
    h("table", {}, h("thead", {}, row("th", head)), h("tbody", {}, rows.map((items) => row("td", items)))),
  );
}

const TASK = { pending: ["white_circle", "pending"], in_progress: ["hourglass_flowing_sand", "in progress"], complete: ["white_check_mark", "done"], error: ["x", "failed"] };

function task(item) {
  const [glyph, words] = TASK[item.status] ?? TASK.pending;
  const part = (value) => value && (value.type === "rich_text" ? richText(value) : h("div", { class: "text" }, textObject(value)));
  return h(
    "div",
    { class: `task-card ${item.status}` },
    h("span", { class: "task-status", title: words }, item.status === "in_progress" ? h("span", { class: "spinner", role: "img", "aria-label": words }) : emoji(glyph)),
    h("div", {}, h("div", { class: "task-title" }, item.title), part(item.details), part(item.output)),
  );
}

const LAYOUTS = {
  header: (ctx, block) => h("h3", {}, textObject(block.text)),
  section,
  context,
  divider: () => h("hr"),
  actions: (ctx, block, id) => block.elements.map((item) => h("span", { key: item.action_id, class: "action" }, element(ctx, id, item))),
  image,
  input,
  rich_text: (ctx, block) => richText(block),
  markdown: (ctx, block) => h("div", { class: "markdown" }, markdown(block.text)),
  table,
  plan: (ctx, block) => [h("div", { class: "plan-title" }, typeof block.title === "string" ? block.title : textObject(block.title)), (block.tasks ?? []).map(task)],
  task_card: (ctx, block) => task(block),
};

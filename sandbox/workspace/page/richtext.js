// Slack's rich_text tree to nodes.
import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { channelLink, link, mention } from "./mrkdwn.js";
import { dateTokens, full } from "./time.js";

export function richText(block) {
  return h("div", { class: "rich-text" }, (block.elements ?? []).map(part));
}

function part(element) {
  const kids = () => (element.elements ?? []).map(leaf);
  switch (element.type) {
    case "rich_text_section":
      return h("div", {}, kids());
    case "rich_text_preformatted":
      return h("pre", {}, h("code", {}, kids()));
    case "rich_text_quote":
      return h("blockquote", {}, kids());
    case "rich_text_list":
      return h(
        element.style === "ordered" ? "ol" : "ul",
        { class: `depth-${Math.min(4, element.indent ?? 0)}`, start: element.offset ? String(element.offset + 1) : undefined },
        (element.elements ?? []).map((item) => h("li", {}, (item.elements ?? []).map(leaf))),
      );
    default:
      return h("span", {}, (element.elements ?? []).map(leaf));
  }
}

function leaf(element) {
  const nodes = {
    text: () => breaks(element.text),
    link: () => link(element.url, element.text || element.url),
    user: () => mention(element.user_id),
    channel: () => channelLink(element.channel_id),
    emoji: () => emoji(element.name),
    broadcast: () => h("span", { class: "mention broadcast" }, `@${element.range}`),
    usergroup: () => h("span", { class: "mention" }, `@${element.usergroup_id}`),
    color: () => h("span", { class: "colour" }, h("i", { style: { background: element.value } }), element.value),
    date: () => h("time", { title: full(element.timestamp) }, dateTokens(element.timestamp, element.format ?? "{date} {time}")),
  };
  let node = nodes[element.type]?.() ?? element.text ?? "";
  const style = element.style ?? {};
  if (style.code) node = h("code", {}, node);
  if (style.bold) node = h("strong", {}, node);
  if (style.italic) node = h("em", {}, node);
  if (style.strike) node = h("s", {}, node);
  if (style.underline) node = h("u", {}, node);
  return node;
}

const breaks = (text) => String(text ?? "").split("\n").flatMap((line, index) => [index ? h("br") : null, line]);

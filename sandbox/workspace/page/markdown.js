// Standard Markdown, as Slack's `markdown` block and .md files have it: the parts that bots write.
import { h } from "./dom.js";
import { emoji, glyph } from "./emoji.js";
import { channelLink, link, mention } from "./mrkdwn.js";

const FENCE = /^ {0,3}(```|~~~)/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^ {0,3}([-*_])( *\1){2,}\s*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

export function markdown(text) {
  return blocks(String(text ?? "").replaceAll("\r\n", "\n").split("\n"));
}

function blocks(source) {
  const out = [];
  let i = 0;
  let paragraph = [];
  const flush = () => {
    if (paragraph.length) out.push(h("p", {}, paragraph.flatMap((line, n) => [n ? h("br") : null, spans(line.trim())])));
    paragraph = [];
  };
  while (i < source.length) {
    const line = source[i];
    const fence = FENCE.exec(line);
    const heading = HEADING.exec(line);
    if (fence) {
      flush();
      let end = i + 1;
      while (end < source.length && !source[end].trim().startsWith(fence[1])) end += 1;
      out.push(h("pre", {}, h("code", {}, source.slice(i + 1, end).join("\n"))));
      i = end + 1;
    } else if (heading) {
      flush();
      out.push(h(`h${Math.min(6, heading[1].length + 2)}`, { class: `md-h${heading[1].length}` }, spans(heading[2])));
      i += 1;
    } else if (RULE.test(line)) {
      flush();
      out.push(h("hr"));
      i += 1;
    } else if (line.startsWith(">")) {
      flush();
      const quote = [];
      while (i < source.length && source[i].startsWith(">")) quote.push(source[i++].replace(/^> ?/, ""));
      out.push(h("blockquote", {}, blocks(quote)));
    } else if (ITEM.test(line)) {
      flush();
      const items = [];
      while (i < source.length && (ITEM.test(source[i]) || (/^\s+\S/.test(source[i]) && items.length))) items.push(source[i++]);
      out.push(list(items));
    } else if (line.includes("|") && TABLE_RULE.test(source[i + 1] ?? "")) {
      flush();
      const rows = [];
      const head = cells(line);
      i += 2;
      while (i < source.length && source[i].includes("|")) rows.push(cells(source[i++]));
      out.push(table(head, rows));
    } else {
      if (line.trim()) paragraph.push(line);
      else flush();
      i += 1;
    }
  }
  flush();
  return out;
}

// `source` starts with an item; deeper indents belong to the item above them.
function list(source) {
  const indent = ITEM.exec(source[0])[1].length;
  const ordered = /\d/.test(ITEM.exec(source[0])[2]);
  const items = [];
  for (const line of source) {
    const match = ITEM.exec(line);
    if (match && match[1].length <= indent) items.push({ text: match[3], below: [] });
    else items.at(-1).below.push(line);
  }
  const start = ordered ? Number.parseInt(ITEM.exec(source[0])[2], 10) : undefined;
  return h(
    ordered ? "ol" : "ul",
    { start: start > 1 ? start : undefined },
    items.map(({ text, below }) => {
      const task = /^\[([ xX])\]\s+/.exec(text);
      const nested = below.findIndex((line) => ITEM.test(line));
      const more = (nested < 0 ? below : below.slice(0, nested)).map((line) => line.trim());
      return h(
        "li",
        { class: task ? "task" : undefined },
        task && h("span", { class: "task-box", role: "img", "aria-label": task[1] === " " ? "open" : "done" }, task[1] === " " ? "☐" : "☑"),
        spans([task ? text.slice(task[0].length) : text, ...more].join(" ")),
        nested >= 0 && list(below.slice(nested)),
      );
    }),
  );
}

function cells(line) {
  return line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function table(head, rows) {
  return h(
    "div",
    { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Table" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, head.map((cell) => h("th", { scope: "col" }, spans(cell))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, spans(cell)))))),
    ),
  );
}

const SPANS = [
  [/^`([^`\n]+)`/, (m) => h("code", {}, m[1])],
  [/^\\([\\`*_{}[\]()#+\-.!|>~])/, (m) => m[1]],
  [/^\*\*(?!\s)(.+?)(?<!\s)\*\*/, (m) => h("strong", {}, spans(m[1]))],
  [/^__(?!\s)(.+?)(?<!\s)__/, (m) => h("strong", {}, spans(m[1]))],
  [/^~~(?!\s)(.+?)(?<!\s)~~/, (m) => h("s", {}, spans(m[1]))],
  [/^\*(?!\s)([^*]+?)(?<!\s)\*/, (m) => h("em", {}, spans(m[1]))],
  [/^_(?!\s)([^_]+?)(?<!\s)_(?!\w)/, (m) => h("em", {}, spans(m[1])), /\w/],
  [/^!?\[([^\]]*)\]\(\s*<?([^\s)>]+)>?(?:\s+"[^"]*")?\s*\)/, (m) => link(m[2], m[1] || m[2])],
  [/^<@(\w+)(?:\|[^>]*)?>/, (m) => mention(m[1])],
  [/^<#(\w+)(?:\|([^>]*))?>/, (m) => channelLink(m[1], m[2])],
  [/^<((?:https?:\/\/|mailto:)[^>\s|]+)(?:\|([^>]*))?>/, (m) => link(m[1], m[2] || m[1])],
  [/^https?:\/\/[^\s<>]+[^\s<>.,;:!?)*_~'"\]]/, (m) => link(m[0], m[0]), /\w/],
  [/^:([a-z0-9_+'-]+):/, (m) => (glyph(m[1]) ? emoji(m[1]) : m[0])],
];

function spans(text) {
  const out = [];
  let plain = "";
  let i = 0;
  scan: while (i < text.length) {
    if (/[`\\*_~![<h:]/.test(text[i])) {
      const rest = text.slice(i);
      for (const [pattern, make, notAfter] of SPANS) {
        const match = !(notAfter && notAfter.test(text[i - 1] ?? "")) && pattern.exec(rest);
        if (!match) continue;
        if (plain) out.push(plain);
        plain = "";
        out.push(make(match));
        i += match[0].length;
        continue scan;
      }
    }
    plain += text[i];
    i += 1;
  }
  if (plain) out.push(plain.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"));
  return out;
}

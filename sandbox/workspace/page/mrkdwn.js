// Slack's mrkdwn to nodes. A scanner instead of replacements: user text never passes through markup, and *bold*
// opens and closes only at the word boundaries Slack uses (so a_file_name stays whole).
import { h } from "./dom.js";
import { emoji, glyph, withEmoji } from "./emoji.js";
import { openChannel } from "./navigation.js";
import { channelName, state, userName } from "./store.js";
import { dateTokens, full } from "./time.js";

const MARKS = { "*": "strong", _: "em", "~": "s" };
const BROADCAST = new Set(["here", "channel", "everyone"]);
const BULLET = /^(\s*)([•◦▪‣–-]|\d{1,3}[.)])\s+/;

export const decode = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

export const encode = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** Nodes for a mrkdwn text (Slack's escapes: &amp; &lt; &gt;). */
export function mrkdwn(text, { verbatim = false } = {}) {
  const out = [];
  const parts = String(text ?? "").split(/```\n?([\s\S]+?)\n?```/);
  parts.forEach((part, index) => {
    if (index % 2) {
      out.push(h("pre", {}, h("code", {}, preformatted(part))));
      return;
    }
    let trimmed = index > 0 ? part.replace(/^\n/, "") : part;
    if (index < parts.length - 1) trimmed = trimmed.replace(/\n$/, "");
    if (trimmed) out.push(...lines(trimmed, verbatim));
  });
  return out;
}

// Links survive inside a code block, everything else is shown as written.
function preformatted(text) {
  return text.split(/<([^<>\n]+)>/).map((part, index) => (index % 2 ? reference(part) : decode(part)));
}

function lines(text, verbatim) {
  const out = [];
  let quote = null;
  let lineBreak = false;
  let rest = false;
  const close = () => {
    if (quote) out.push(h("blockquote", {}, quote.flatMap((line, i) => [i ? h("br") : null, inline(line, verbatim)])));
    quote = null;
  };
  for (const line of text.split("\n")) {
    const everything = /^(&gt;|>){3} ?/.exec(line);
    const quoted = rest ? { 0: "" } : (everything ?? /^(&gt;|>) ?/.exec(line));
    if (quoted) {
      rest ||= Boolean(everything);
      (quote ??= []).push(line.slice(quoted[0].length));
      lineBreak = false;
      continue;
    }
    close();
    const bullet = BULLET.exec(line);
    if (bullet) {
      const depth = Math.min(4, Math.floor(bullet[1].length / 2));
      out.push(
        h("span", { class: `item depth-${depth}` }, h("span", { class: "bullet" }, bullet[2]), h("span", {}, inline(line.slice(bullet[0].length), verbatim))),
      );
      lineBreak = false;
      continue;
    }
    if (lineBreak) out.push(h("br"));
    out.push(...inline(line, verbatim));
    lineBreak = true;
  }
  close();
  return out;
}

/** One line of mrkdwn, without quotes and code blocks. */
export function inline(text, verbatim = false) {
  const out = [];
  let plain = "";
  let i = 0;
  const push = (node, next) => {
    if (plain) out.push(decode(plain));
    plain = "";
    out.push(node);
    i = next;
  };
  while (i < text.length) {
    const c = text[i];
    if (c === "<") {
      const end = text.indexOf(">", i);
      if (end > i + 1) {
        push(reference(text.slice(i + 1, end)), end + 1);
        continue;
      }
    } else if (c === "`") {
      const end = text.indexOf("`", i + 1);
      if (end > i + 1) {
        push(h("code", {}, preformatted(text.slice(i + 1, end))), end + 1);
        continue;
      }
    } else if (c in MARKS && opens(text, i)) {
      const end = closing(text, i);
      if (end) {
        push(h(MARKS[c], {}, inline(text.slice(i + 1, end), verbatim)), end + 1);
        continue;
      }
    } else if (c === ":") {
      const match = /^:([a-z0-9_+'-]+(?:::skin-tone-\d)?):/.exec(text.slice(i, i + 80));
      if (match && glyph(match[1])) {
        push(emoji(match[1]), i + match[0].length);
        continue;
      }
    } else if (c === "h" && !verbatim && !/\w/.test(text[i - 1] ?? "")) {
      const match = /^https?:\/\/[^\s<>|]+[^\s<>|.,;:!?)*_~'"\]]/.exec(text.slice(i));
      if (match) {
        push(link(decode(match[0]), decode(match[0])), i + match[0].length);
        continue;
      }
    }
    plain += c;
    i += 1;
  }
  if (plain) out.push(decode(plain));
  return out;
}

function opens(text, i) {
  const next = text[i + 1];
  return !/[\p{L}\p{N}]/u.test(text[i - 1] ?? " ") && next !== undefined && next !== text[i] && !/\s/.test(next);
}

function closing(text, i) {
  for (let j = i + 2; j < text.length; j += 1) {
    if (text[j] === "<") {
      const end = text.indexOf(">", j);
      if (end > 0) j = end;
      continue;
    }
    if (text[j] === text[i] && !/\s/.test(text[j - 1]) && !/[\p{L}\p{N}]/u.test(text[j + 1] ?? " ")) return j;
  }
  return 0;
}

function reference(inner) {
  const bar = inner.indexOf("|");
  const target = bar < 0 ? inner : inner.slice(0, bar);
  const label = bar < 0 ? "" : inner.slice(bar + 1);
  if (target.startsWith("@")) return mention(target.slice(1), label);
  if (target.startsWith("#")) return channelLink(target.slice(1), label);
  if (target.startsWith("!date^")) return date(target, label);
  if (target.startsWith("!")) {
    const name = target.slice(1).split("^")[0];
    const shown = BROADCAST.has(name) ? `@${name}` : decode(label) || `@${name}`;
    return h("span", { class: "mention broadcast" }, shown);
  }
  return link(decode(target), decode(label) || decode(target).replace(/^mailto:/, ""));
}

export function mention(id, label) {
  const name = state.users.has(id) ? userName(id) : decode(label ?? "") || id;
  return h("span", { class: `mention${id === state.me ? " me" : ""}` }, `@${name}`);
}

export function channelLink(id, label) {
  const known = state.channels.has(id);
  const name = known ? channelName(id) : decode(label ?? "") || id;
  if (!known) return h("span", { class: "mention" }, `#${name}`);
  return h("button", { type: "button", class: "mention channel-link", onclick: () => openChannel(id) }, `#${name}`);
}

function date(target, fallback) {
  const [, unix, format, url] = target.split("^");
  if (!/^\d+$/.test(unix ?? "") || !format) return decode(fallback);
  const shown = h("time", { title: full(unix) }, dateTokens(unix, decode(format)));
  return url ? link(decode(url), shown) : shown;
}

/** A link that leaves the page only for the web or mail; anything else stays text. */
export function link(url, label) {
  if (!/^(https?:\/\/|mailto:)/i.test(url)) return typeof label === "string" ? label : h("span", {}, label);
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, label);
}

/** A text object (`plain_text` or `mrkdwn`) to nodes. */
export function textObject(object) {
  if (!object) return [];
  if (typeof object === "string") return withEmoji(object);
  return object.type === "mrkdwn" ? mrkdwn(object.text, object) : withEmoji(decode(object.text ?? ""));
}

/** Words without any markup: for labels, titles and previews. */
export function plainText(text) {
  return decode(
    String(text ?? "")
      .replace(/<@(\w+)(?:\|[^>]*)?>/g, (_, id) => `@${userName(id)}`)
      .replace(/<#(\w+)(?:\|([^>]*))?>/g, (_, id, label) => `#${state.channels.has(id) ? channelName(id) : label || id}`)
      .replace(/<!date\^[^|>]*\|([^>]*)>/g, "$1")
      .replace(/<!(\w+)[^>]*>/g, "@$1")
      .replace(/<([^|>]+)(?:\|([^>]*))?>/g, (_, url, label) => label || url),
  ).replace(/:([a-z0-9_+'-]+):/g, (whole, name) => glyph(name) ?? whole);
}

// Shared files: pictures to look at, texts to read in place, the rest to download.
import { ApiError, call } from "./api.js";
import { enlarge, frame, open } from "./dialog.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { ownAddress } from "./inputs.js";
import { attempt, changed, state } from "./store.js";
import { markdown } from "./markdown.js";

const PREVIEW_LINES = 12;
const TEXT = /^(text\/|application\/(json|x-yaml|yaml|toml|x-sh))/;
const LIMIT = 20 * 1024 * 1024;
const texts = new Map(); // file id -> {text} or {failure}, {} while it is fetched

export function files(message) {
  if (!message.files?.length) return null;
  return h("div", { class: "files" }, message.files.map((file) => h("div", { key: file.id, class: "file-slot" }, show(file))));
}

function show(file) {
  const address = ownAddress(file.url_private ?? file.url_private_download);
  const name = file.title || file.name;
  if (file.mode === "tombstone") return h("div", { class: "file-card muted" }, icon("trash"), "This file was deleted.");
  if (/^image\/(png|jpe?g|gif|webp|svg\+xml|avif)$/.test(file.mimetype ?? "") && address) return picture(file, name, address);
  if ((TEXT.test(file.mimetype ?? "") || /\.(md|txt|log|json|ya?ml|csv|diff|patch)$/i.test(file.name ?? "")) && address) return snippet(file, name, address);
  return card(file, name, address);
}

function picture(file, name, address) {
  return h(
    "figure",
    { class: "picture" },
    h("figcaption", {}, name, download(file, address)),
    h(
      "button",
      { type: "button", class: "picture-button", "aria-label": `Enlarge: ${name}`, onclick: () => enlarge(address, name) },
      h("img", { src: address, alt: file.alt_txt || name, loading: "lazy", width: file.original_w, height: file.original_h }),
    ),
  );
}

function snippet(file, name, address) {
  if (!texts.has(file.id)) void fetchText(file.id, address);
  const held = texts.get(file.id) ?? {};
  const isMarkdown = /\.(md|markdown)$/i.test(file.name ?? "") || file.mimetype === "text/markdown";
  const lines = held.text?.split("\n") ?? [];
  const body = (text) => (isMarkdown ? h("div", { class: "markdown" }, markdown(text)) : h("pre", {}, h("code", {}, text)));
  const whole = () =>
    void open((close, key) =>
      frame({ key, title: name, size: "large", onclose: () => close(), foot: h("a", { class: "button", href: address, download: file.name }, "Download") }, body(held.text)),
    );
  const cut = lines.length > PREVIEW_LINES;
  return h(
    "div",
    { class: "snippet" },
    h("div", { class: "snippet-head" }, icon("file", 16), h("span", { class: "snippet-name" }, name), h("span", { class: "muted" }, size(file.size)), download(file, address)),
    held.failure
      ? h("div", { class: "muted snippet-body" }, held.failure)
      : h("div", { class: `snippet-body ${cut ? "cut" : ""}` }, held.text === undefined ? h("span", { class: "muted" }, "Loading…") : body(lines.slice(0, PREVIEW_LINES).join("\n"))),
    cut && h("button", { type: "button", class: "link-button snippet-more", onclick: whole }, `Read all ${lines.length} lines`),
  );
}

async function fetchText(id, address) {
  texts.set(id, {});
  try {
    const response = await fetch(address);
    texts.set(id, response.ok ? { text: await response.text() } : { failure: `The file could not be read (HTTP ${response.status}).` });
  } catch {
    texts.set(id, { failure: "The file could not be read." });
  }
  for (const history of state.histories.values()) refresh(history.messages, id);
  if (state.thread) refresh(state.thread.messages, id);
  changed();
}

// A message is drawn anew when its object is: a copy is enough.
function refresh(messages, id) {
  messages.forEach((message, index) => {
    if (message.files?.some((file) => file.id === id)) messages[index] = { ...message };
  });
}

function card(file, name, address) {
  return h("div", { class: "file-card" }, icon("file", 28), h("div", {}, h("div", { class: "file-name" }, name), h("div", { class: "muted" }, [file.pretty_type, size(file.size)].filter(Boolean).join(" · "))), address && download(file, address));
}

function download(file, address) {
  return h("a", { class: "icon-button", href: address, download: file.name, "aria-label": `Download ${file.name}`, title: "Download" }, icon("download", 16));
}

function size(bytes) {
  if (!bytes) return "";
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1048576 ? `${Math.round(bytes / 1024)} kB` : `${(bytes / 1048576).toFixed(1)} MB`;
}

/** Upload `file` (a browser File) to a channel or thread. */
export async function upload(file, channel, threadTs) {
  await attempt(async () => {
    if (file.size > LIMIT) throw new ApiError("too_large", `${file.name} is larger than 20 MB. Share a link instead.`);
    const content = await new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
      reader.onerror = () => reject(new ApiError("unreadable", `${file.name} could not be read.`));
      reader.readAsDataURL(file);
    });
    await call("upload", { user: state.me, channel, name: file.name, content_base64: content, ...(threadTs ? { thread_ts: threadTs } : {}) });
  });
}

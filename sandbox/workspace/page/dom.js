// A small virtual DOM. Views are functions from state to `h(...)` trees; `patch` changes only what differs, so an
// edited message keeps its place, its focus and its open menu. Text always becomes a text node: nothing a person or
// a bot writes can turn into markup.

const SVG = "http://www.w3.org/2000/svg";
const AS_PROPERTY = new Set(["value", "checked", "disabled", "hidden", "indeterminate", "readOnly"]);
let mounted = [];

/** A node: `key` identifies it among its siblings, `on…` are handlers, `mount(el)`/`unmount(el)` frame its life. */
export function h(tag, props, ...kids) {
  const { key, ...rest } = props ?? {};
  return { tag, key, props: rest, kids: flatten(kids, []), el: null };
}

function flatten(kids, out) {
  for (const kid of kids) {
    if (kid === null || kid === undefined || kid === false || kid === true || kid === "") continue;
    if (Array.isArray(kid)) flatten(kid, out);
    else if (typeof kid === "object") out.push(kid);
    else out.push({ text: String(kid), el: null });
  }
  return out;
}

/** Bring `root` from what the previous call drew to `vnode`; returns `vnode` for the next call. */
export function draw(root, previous, vnode) {
  if (previous) patch(root, previous, vnode, false);
  else root.append(create(vnode, false));
  const ready = mounted;
  mounted = [];
  for (const [mount, el] of ready) if (el.isConnected) mount(el);
  return vnode;
}

function create(vnode, inSvg) {
  if (vnode.text !== undefined) return (vnode.el = document.createTextNode(vnode.text));
  const svg = inSvg || vnode.tag === "svg";
  const el = svg ? document.createElementNS(SVG, vnode.tag) : document.createElement(vnode.tag);
  vnode.el = el;
  for (const kid of vnode.kids) el.append(create(kid, svg));
  setProps(el, {}, vnode.props);
  if (vnode.props.mount) mounted.push([vnode.props.mount, el]);
  return el;
}

function patch(parent, old, fresh, inSvg) {
  if (old === fresh) return;
  if (!same(old, fresh)) {
    const el = old.el;
    const replacement = create(fresh, inSvg);
    gone(old);
    el.replaceWith(replacement);
    return;
  }
  fresh.el = old.el;
  if (fresh.text !== undefined) {
    if (old.text !== fresh.text) fresh.el.data = fresh.text;
    return;
  }
  const svg = inSvg || fresh.tag === "svg";
  patchKids(fresh.el, old.kids, fresh.kids, svg);
  setProps(fresh.el, old.props, fresh.props);
}

function same(a, b) {
  return a.tag === b.tag && a.key === b.key;
}

function patchKids(el, old, fresh, svg) {
  const keyed = new Map();
  const loose = [];
  for (const vnode of old) {
    if (vnode.key === undefined) loose.push(vnode);
    else keyed.set(vnode.key, vnode);
  }
  const partner = new Map();
  let at = 0;
  for (const vnode of fresh) {
    if (vnode.key !== undefined) {
      const match = keyed.get(vnode.key);
      if (match && match.tag === vnode.tag) {
        partner.set(vnode, match);
        keyed.delete(vnode.key);
      }
    } else if (at < loose.length && loose[at].tag === vnode.tag) {
      partner.set(vnode, loose[at]);
      at += 1;
    } else {
      const found = loose.findIndex((candidate, index) => index >= at && candidate.tag === vnode.tag);
      if (found >= 0) {
        partner.set(vnode, loose[found]);
        for (const skipped of loose.slice(at, found)) remove(skipped);
        at = found + 1;
      }
    }
  }
  // Removal comes first: then the nodes that stay are never moved, and moving is what loses focus.
  for (const vnode of keyed.values()) remove(vnode);
  for (const vnode of loose.slice(at)) remove(vnode);
  let cursor = el.firstChild;
  for (const vnode of fresh) {
    const match = partner.get(vnode);
    if (match) {
      patch(el, match, vnode, svg);
      if (vnode.el === cursor) cursor = cursor.nextSibling;
      else el.insertBefore(vnode.el, cursor);
    } else {
      el.insertBefore(create(vnode, svg), cursor);
    }
  }
}

function remove(vnode) {
  const el = vnode.el;
  gone(vnode);
  el.remove();
}

function gone(vnode) {
  if (vnode.text !== undefined) return;
  vnode.props.unmount?.(vnode.el);
  for (const kid of vnode.kids) gone(kid);
}

function setProps(el, old, fresh) {
  for (const name of Object.keys(old)) if (!(name in fresh)) setProp(el, name, undefined, old[name]);
  for (const [name, value] of Object.entries(fresh)) {
    // A field is compared with what it holds now, not with what was drawn last: people type in between.
    if (name === "value" || name === "checked" || old[name] !== value) setProp(el, name, value, old[name]);
  }
}

function setProp(el, name, value, old) {
  if (name === "mount" || name === "unmount") return;
  if (name.startsWith("on")) {
    const type = name.slice(2);
    el.handlers ??= {};
    if (!(type in el.handlers)) el.addEventListener(type, handle);
    el.handlers[type] = value;
  } else if (name === "style") {
    for (const property of Object.keys(old ?? {})) if (!(property in (value ?? {}))) el.style.removeProperty(property);
    for (const [property, to] of Object.entries(value ?? {})) el.style.setProperty(property, to);
  } else if (AS_PROPERTY.has(name)) {
    const to = value ?? (name === "value" ? "" : false);
    if (el[name] !== to) el[name] = to;
  } else if (value === undefined || value === null || value === false) {
    el.removeAttribute(name);
  } else {
    el.setAttribute(name, value === true ? "" : value);
  }
}

function handle(event) {
  this.handlers[event.type]?.call(this, event);
}

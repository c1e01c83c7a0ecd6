// A page is built anew as a tree for each answer, and the tree on the screen is changed
// to be like it. All text goes through text nodes: what clients send is never markup.

function make(tag, namespace, props, kids) {
  const el = namespace ? document.createElementNS(namespace, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value == null || value === false) continue;
    if (name === 'style') {
      for (const [k, v] of Object.entries(value)) el.style.setProperty(k, v);
    } else if (name === 'key') {
      el.dataset.key = value;
    } else {
      el.setAttribute(name, value === true ? '' : value);
    }
  }
  append(el, kids);
  return el;
}

function append(el, kids) {
  for (const kid of kids) {
    if (kid == null || kid === false) continue;
    if (Array.isArray(kid)) append(el, kid);
    else el.append(kid);
  }
}

export const h = (tag, props, ...kids) => make(tag, null, props, kids);
export const s = (tag, props, ...kids) => make(tag, 'http://www.w3.org/2000/svg', props, kids);

const keyOf = (node) => (node.nodeType === 1 ? node.dataset.key : undefined);
const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

// morph makes the children of a node like those of another, and keeps what is on the
// screen: focus, selection, open details.
export function morph(node, wanted) {
  const focused = document.activeElement;
  children(node, wanted);
  if (focused && focused !== document.activeElement && focused.isConnected && node.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}

function children(node, wanted) {
  const keyed = new Map();
  for (const kid of node.childNodes) {
    const key = keyOf(kid);
    if (key !== undefined) keyed.set(key, kid);
  }
  let at = node.firstChild;
  for (const want of [...wanted.childNodes]) {
    const key = keyOf(want);
    let have = key !== undefined ? keyed.get(key) : at;
    if (key === undefined) {
      while (have && keyOf(have) !== undefined) have = have.nextSibling;
    }
    if (!have || !alike(have, want)) {
      node.insertBefore(want, at);
      continue;
    }
    if (have === at) at = at.nextSibling;
    else node.insertBefore(have, at);
    update(have, want);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function update(have, want) {
  if (have.nodeType !== 1) {
    if (have.data !== want.data) have.data = want.data;
    return;
  }
  for (const { name, value } of [...want.attributes]) {
    if (name !== 'style' && have.getAttribute(name) !== value) have.setAttribute(name, value);
  }
  for (const { name } of [...have.attributes]) {
    if (name !== 'style' && name !== 'open' && !want.hasAttribute(name)) have.removeAttribute(name);
  }
  // The policy forbids style attributes, not styles.
  if (have.style.cssText !== want.style.cssText) have.style.cssText = want.style.cssText;
  children(have, want);
}

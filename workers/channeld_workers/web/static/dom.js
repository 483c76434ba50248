// Small helpers for building the page. What anybody wrote is put in as text, never as markup.

export const $ = (id) => document.getElementById(id);

export function make(tag, className = "", ...content) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...content);
  return node;
}

/** Return a picture of the page's own set: the symbols in index.html. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg"), use = document.createElementNS(space, "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export function button(className, act, ...content) {
  const node = make("button", className, ...content);
  node.type = "button";
  if (typeof act === "function") node.addEventListener("click", act);
  return node;
}

export function iconButton(name, label, act) {
  const node = button("icon-button", act, icon(name));
  node.setAttribute("aria-label", label);
  node.title = label;
  return node;
}

/** Say something to a screen reader, without moving anything. */
export function announce(text) {
  $("says").replaceChildren(make("p", "", text)); // a new node: the same text twice is said twice
}

/** Show a problem with an action, until it is dismissed or the next one comes. */
export function complain(text) {
  $("notice-text").textContent = text;
  $("notice").hidden = !text;
}

/** Return a button that copies the text of a node. */
export function copyButton(source, label = "Copy") {
  const node = button("copy", async () => {
    const done = await copyText(source.textContent, source);
    node.textContent = done ? "Copied" : "Press Ctrl+C";
    announce(done ? "Copied" : "Selected. Press Control C to copy.");
    setTimeout(() => { node.textContent = label; }, 2000);
  }, label);
  return node;
}

/** Copy; where the page may not, select `source` and try the old way. Tell whether it is in the clipboard. */
export async function copyText(text, source) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
}

/** Return nodes for a sentence of the server: what stands in `backticks` becomes code with a copy button. */
export function withCommands(text) {
  return text.split(/`([^`]+)`/).flatMap((part, index) => {
    if (index % 2 === 0) return part ? [part] : [];
    const code = make("code", "", part), copy = copyButton(code);
    copy.setAttribute("aria-label", `Copy ${part}`);
    return [make("span", "command", code, copy)];
  });
}

/** Put a pop-up beside an element, above it if there is room, never outside the window. */
export function place(popup, anchor) {
  const from = anchor.getBoundingClientRect(), box = popup.getBoundingClientRect(), gap = 6;
  const left = Math.max(8, Math.min(from.left + from.width / 2 - box.width / 2, innerWidth - box.width - 8));
  const above = from.top - box.height - gap;
  popup.style.left = `${left}px`;
  popup.style.top = `${above > 8 ? above : Math.min(from.bottom + gap, innerHeight - box.height - 8)}px`;
}

/** Return a file's name and size, each in its place. */
export function nameAndSize(file) {
  return [make("span", "file-name", file.name), make("span", "file-size", sizeOf(file.size))];
}

export function sizeOf(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1048576 ? `${Math.round(bytes / 1024)} KB` : `${(bytes / 1048576).toFixed(1)} MB`;
}

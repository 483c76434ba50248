// Files of messages. A link cannot carry the token, so they are fetched and handed on as object URLs.

import { call } from "/api.js";
import { $, button, complain, icon, make, nameAndSize, sizeOf } from "/dom.js";

const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const loaded = new Map(); // url → promise of an object URL: nothing is fetched twice
let shown = null; // the file in the viewer

export const isPicture = (mime) => PICTURES.includes(mime);

export function drawFile(file) {
  const card = button("file", () => save(file), icon("file"), ...nameAndSize(file));
  card.setAttribute("aria-label", `Save ${file.name}, ${sizeOf(file.size)}`);
  if (!isPicture(file.mime)) return card;
  const image = make("img"), preview = button("picture", () => view(file, image), image);
  image.alt = file.name;
  preview.setAttribute("aria-label", `Show ${file.name} large`);
  load(file).then((url) => { image.src = url; card.replaceWith(preview); }, () => {}); // until then it can be saved
  return card;
}

/** Return a button that saves a file, called as given. */
export function saveButton(file, label) {
  return button("file", () => save(file), icon("file"), label);
}

function load(file) {
  if (!loaded.has(file.url)) {
    const url = call(file.url).then((response) => response.blob()).then((blob) => URL.createObjectURL(blob));
    url.catch(() => loaded.delete(file.url));
    loaded.set(file.url, url);
  }
  return loaded.get(file.url);
}

async function save(file) {
  try {
    const link = make("a");
    link.href = await load(file);
    link.download = file.name;
    link.click();
  } catch (problem) {
    complain(`${file.name} cannot be saved: ${problem.message}`);
  }
}

function view(file, image) {
  shown = file;
  $("viewer-image").src = image.src;
  $("viewer-image").alt = file.name;
  $("viewer-name").textContent = `${file.name}, ${sizeOf(file.size)}`;
  $("viewer").showModal();
}

$("viewer-save").addEventListener("click", () => save(shown));
$("viewer-image").addEventListener("click", () => $("viewer").close());

// Files that go with the next message: chosen, dropped anywhere on the page, or pasted.

import { $, announce, button, icon, make, nameAndSize } from "/dom.js";
import { isPicture } from "/files.js";

let chosen = [];

export const chosenFiles = () => chosen;

export function choose(files) {
  for (const image of $("chosen").querySelectorAll("img")) URL.revokeObjectURL(image.src);
  chosen = files;
  $("files").value = "";
  $("chosen").hidden = !files.length;
  $("chosen").replaceChildren(...files.map(draw));
}

function add(files) {
  choose([...chosen, ...files]);
  announce(`${files.length === 1 ? files[0].name : `${files.length} files`} added`);
  $("text").focus();
}

function draw(file) {
  const picture = isPicture(file.type) ? make("img") : icon("file");
  if (picture.localName === "img") Object.assign(picture, { src: URL.createObjectURL(file), alt: "" });
  const remove = button("icon-button", () => {
    choose(chosen.filter((other) => other !== file));
    ($("chosen").querySelector("button") ?? $("text")).focus();
  }, icon("close"));
  remove.setAttribute("aria-label", `Remove ${file.name}`);
  return make("li", "", picture, ...nameAndSize(file), remove);
}

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
let inside = 0; // elements that a dragged file is over: it enters one before it leaves the other

function drag(step) {
  return (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    inside = Math.max(0, inside + step);
    $("drop").hidden = !inside;
  };
}
document.addEventListener("dragenter", drag(1));
document.addEventListener("dragover", drag(0));
document.addEventListener("dragleave", drag(-1));
document.addEventListener("drop", (event) => {
  drag(-inside)(event);
  if (hasFiles(event) && !$("composer").hidden) add([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (!files.length || $("composer").hidden) return;
  event.preventDefault();
  add(files);
});
$("attach").addEventListener("click", () => $("files").click());
$("files").addEventListener("change", () => add([...$("files").files]));

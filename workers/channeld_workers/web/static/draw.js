// How a message looks. Everything that anybody wrote is put in as text, never as markup.

const TICKS = {
  held: ["◷", "", "Stored; its files are still arriving"],
  queued: ["◷", "", "Stored; waits for a session that listens"],
  pushed: ["✓", "", "Given to the session"],
  delivered: ["✓✓", "", "Claude Code has read it"],
  seen: ["✓✓", "good", "Claude has seen it"],
  answered: ["✓✓", "good", "Claude has answered"],
  dropped: ["✗", "bad", "Taken out of the queue by hand"],
  sending: ["◷", "", "On its way"],
  sent: ["✓", "good", "Sent"],
  failed: ["✗", "bad", "Could not be sent"],
  uncertain: ["?", "bad", "It may have been sent; nobody can tell"],
};
const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const loaded = new Map(); // url → promise of an object URL: a new tick must not fetch a picture again

export function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Return the list item of a message; `quoted` is the message it replies to, `call` fetches with the token. */
export function draw(data, quoted, call) {
  const node = make("li", `message ${data.direction}`);
  node.dataset.seq = data.seq;
  node.dataset.id = data.id;
  if (quoted) node.append(make("p", "quote", quoted.text));
  if (data.text) node.append(make("p", "text", data.text));
  for (const file of data.attachments) node.append(drawFile(file, call));
  const meta = make("p", "meta");
  if (data.reactions.length) meta.append(make("span", "", data.reactions.join(" ")));
  const time = make("time", "", new Date(data.ts).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = data.ts;
  time.title = new Date(data.ts).toLocaleString();
  meta.append(make("span", "", data.user), time);
  if (data.edited) meta.append(make("span", "", "edited"));
  const [sign, mood, meaning] = TICKS[data.state] ?? ["", "", data.state];
  const tick = make("span", `tick ${mood}`, sign);
  tick.title = data.error ? `${meaning}: ${data.error}` : meaning;
  tick.setAttribute("role", "img");
  tick.setAttribute("aria-label", tick.title);
  meta.append(tick);
  node.append(meta);
  return node;
}

function drawFile(file, call) {
  const size = file.size < 1024 ? `${file.size} B` : file.size < 1048576 ? `${Math.round(file.size / 1024)} KB`
    : `${(file.size / 1048576).toFixed(1)} MB`;
  const button = make("button", "file", `↓ ${file.name} (${size})`);
  button.type = "button";
  button.addEventListener("click", () => save(file, call, button));
  if (!PICTURES.includes(file.mime)) return button;
  const image = make("img");
  image.alt = file.name;
  image.title = "Save";
  image.addEventListener("click", () => save(file, call, button));
  load(file, call).then((url) => { image.src = url; button.replaceWith(image); }, () => {});
  return button;
}

// A link cannot carry the token, so files are fetched and handed on as object URLs.
function load(file, call) {
  if (!loaded.has(file.url)) {
    const url = call(file.url).then((response) => response.blob()).then((blob) => URL.createObjectURL(blob));
    url.catch(() => loaded.delete(file.url));
    loaded.set(file.url, url);
  }
  return loaded.get(file.url);
}

async function save(file, call, button) {
  try {
    const link = make("a");
    link.href = await load(file, call);
    link.download = file.name;
    link.click();
  } catch (problem) {
    button.textContent = `${file.name}: ${problem.message}`;
  }
}

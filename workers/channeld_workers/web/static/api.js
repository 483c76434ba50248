// Asking the server. The token stays in this tab and never in the address.

import { keep, lose, recall } from "/memory.js";

const TOKEN = "channeld.token", REFUSED = "channeld.refused";
let token = "";

/** Take the token out of the address and tell whether there is one. */
export function takeToken() {
  const given = new URLSearchParams(location.search).get("token");
  if (given) keep(TOKEN, given);
  if (location.search) history.replaceState(null, "", location.pathname);
  token = given || recall(TOKEN) || "";
  if (token) lose(REFUSED);
  return Boolean(token);
}

/** Whether this tab had a token that was refused. */
export const wasRefused = () => Boolean(recall(REFUSED));

/** Return a name that tabs with the same token share, and that tells nobody the token. */
export async function nameOfToken() {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Whoever has no right to the chat any more sees nothing of it: a new page holds, hears and asks nothing.
function refuse() {
  lose(TOKEN);
  keep(REFUSED, true);
  token = "";
  location.reload();
}

/** Ask; a problem is thrown as an Error whose text a person can act on, without `status` when nobody answered. */
export async function call(path, options = {}) {
  const headers = { ...options.headers, Authorization: `Bearer ${token}` };
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (problem) {
    throw Object.assign(new Error("channeld cannot be reached."), { name: problem.name });
  }
  if (response.ok) return response;
  if (response.status === 401) refuse();
  const { error, hint } = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
  throw Object.assign(new Error(hint ? `${error} ${hint}` : error), { status: response.status });
}

/** Send data as JSON. */
export const tell = (method, path, data, headers = {}) => call(path, { method, headers, body: JSON.stringify(data) });

/** The address of a message in the API. */
export const at = (id, rest = "") => `/api/messages/${encodeURIComponent(id)}${rest}`;

// Asking the server. The token stays in this tab and never in the address.

const TOKEN = "channeld.token";

/** Take the token out of the address and tell whether there is one. */
export function takeToken() {
  const given = new URLSearchParams(location.search).get("token");
  if (given) sessionStorage.setItem(TOKEN, given);
  if (location.search) history.replaceState(null, "", location.pathname);
  return Boolean(sessionStorage.getItem(TOKEN));
}

/** Ask; a problem is thrown as an Error whose text a person can act on, without `status` when nobody answered. */
export async function call(path, options = {}) {
  const headers = { ...options.headers, Authorization: `Bearer ${sessionStorage.getItem(TOKEN) ?? ""}` };
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (problem) {
    throw Object.assign(new Error("channeld cannot be reached."), { name: problem.name });
  }
  if (response.ok) return response;
  if (response.status === 401) {
    sessionStorage.removeItem(TOKEN);
    dispatchEvent(new Event("locked"));
  }
  const { error, hint } = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
  throw Object.assign(new Error(hint ? `${error} ${hint}` : error), { status: response.status });
}

/** Send data as JSON. */
export const tell = (method, path, data, headers = {}) => call(path, { method, headers, body: JSON.stringify(data) });

/** The address of a message in the API. */
export const at = (id, rest = "") => `/api/messages/${encodeURIComponent(id)}${rest}`;

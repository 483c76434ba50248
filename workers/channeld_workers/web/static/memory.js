// What a reload must not lose, in this tab only. A browser may refuse to keep it: then nothing else goes wrong.

/** Keep a value under a name, instead of the last one. */
export function keep(name, value) {
  try {
    sessionStorage.setItem(name, JSON.stringify(value));
  } catch {
    lose(name); // too large: nothing is better than what was true once
  }
}

/** Return what is kept, null if nothing is. */
export function recall(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name));
  } catch {
    return null;
  }
}

export function lose(name) {
  try {
    sessionStorage.removeItem(name);
  } catch {
    // it keeps nothing at all
  }
}

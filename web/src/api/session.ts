/** Whether this browser is signed in. The secret itself lives in a cookie that no script can read. */

export type SignInState = "unknown" | "signed-in" | "signed-out";

type Listener = () => void;

let state: SignInState = "unknown";
const listeners = new Set<Listener>();

export function signInState(): SignInState {
  return state;
}

export function setSignInState(next: SignInState): void {
  if (state === next) return;
  state = next;
  for (const listener of listeners) listener();
}

export function subscribeSignIn(listener: Listener): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

/**
 * Takes the token out of a first-start link (`/#token=…`) and out of the address bar and the history, before anything
 * else can read it there.
 */
export function takeTokenFromFragment(): string | undefined {
  const { hash, pathname, search } = window.location;
  if (!hash.startsWith("#token=")) return undefined;
  window.history.replaceState(null, "", pathname + search);
  const token = decodeURIComponentSafely(hash.slice("#token=".length)).trim();
  return token === "" ? undefined : token;
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

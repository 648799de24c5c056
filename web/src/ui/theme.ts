/** Light, dark, or as the system says. `theme.js` applies the choice before the first paint. */
import { useSyncExternalStore } from "react";

export type Theme = "auto" | "light" | "dark";

const KEY = "strawboss.theme";
const listeners = new Set<() => void>();

function read(): Theme {
  const value = document.documentElement.dataset.theme;
  return value === "light" || value === "dark" ? value : "auto";
}

export function setTheme(theme: Theme): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "auto") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage may be forbidden; then the choice lasts as long as the page.
  }
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, read);
}

const DARK = "(prefers-color-scheme: dark)";

function subscribeAll(listener: () => void): () => void {
  const list = window.matchMedia(DARK);
  list.addEventListener("change", listener);
  const off = subscribe(listener);
  return () => {
    list.removeEventListener("change", listener);
    off();
  };
}

/** Whether the page is dark now, by choice or by the system: for what draws its own colours. */
export function useIsDark(): boolean {
  return useSyncExternalStore(subscribeAll, () => {
    const theme = read();
    return theme === "dark" || (theme === "auto" && window.matchMedia(DARK).matches);
  });
}

/** Hides which theme is shown: the person's choice, else the system's. */
import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";

const KEY = "atelier.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function current(): Theme {
  return document.documentElement.dataset.theme === "dark" ? "dark" : "light";
}

function show(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  listeners.forEach((listener) => listener());
}

system.addEventListener("change", () => {
  if (localStorage.getItem(KEY) === null) show(system.matches ? "dark" : "light");
});

/** Choosing what the system shows anyway is no choice: the studio then follows the system again. */
export function toggleTheme(): void {
  const next: Theme = current() === "dark" ? "light" : "dark";
  if (next === (system.matches ? "dark" : "light")) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, next);
  show(next);
}

export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, current);
}

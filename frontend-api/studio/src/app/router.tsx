/** Hides the address bar: the kinds of page, links without a reload. */
import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from "react";

export type Route =
  | { page: "home" }
  | { page: "sign-in" }
  | { page: "account" }
  | { page: "models" }
  | { page: "invite"; secret: string }
  | { page: "project"; id: string }
  | { page: "members"; id: string }
  | { page: "recipes"; id: string }
  | { page: "recipe"; id: string; recipeId: string | null }
  | { page: "board"; id: string }
  | { page: "unknown" };

export function parse(path: string): Route {
  const [first, id, more, one] = path.split("/").filter(Boolean);
  if (first === undefined) return { page: "home" };
  if (first === "sign-in" && id === undefined) return { page: "sign-in" };
  if (first === "account" && id === undefined) return { page: "account" };
  if (first === "models" && id === undefined) return { page: "models" };
  if (id !== undefined && first === "invite") return { page: "invite", secret: id };
  if (id !== undefined && first === "p") return { page: "project", id };
  if (id !== undefined && first === "d") return { page: "board", id };
  if (id !== undefined && first === "w" && more === "members" && one === undefined) return { page: "members", id };
  if (id !== undefined && first === "w" && more === "recipes") {
    return one === undefined ? { page: "recipes", id } : { page: "recipe", id, recipeId: one === "new" ? null : one };
  }
  return { page: "unknown" };
}

const listeners = new Set<() => void>();
const tell = () => listeners.forEach((listener) => listener());
let here = location.pathname;
let held: ((to: string) => void) | null = null;

window.addEventListener("popstate", () => {
  if (held !== null) {
    const to = location.pathname;
    history.pushState(null, "", here); // the browser has left already: come back, and ask
    held(to);
    return;
  }
  here = location.pathname;
  tell();
});

/** Until the returned function is called, whoever would leave the page is asked by `ask` instead. */
export function hold(ask: (to: string) => void): () => void {
  held = ask;
  return () => {
    if (held === ask) held = null;
  };
}

/** `sure`: what holds the page was asked already. */
export function navigate(to: string, { replace = false, sure = false }: { replace?: boolean; sure?: boolean } = {}): void {
  if (held !== null && !sure) return held(to);
  held = null;
  here = to;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  window.scrollTo(0, 0);
  tell();
}

export function usePath(): string {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => location.pathname,
  );
}

export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (event.defaultPrevented || !plain) return;
    event.preventDefault();
    navigate(href);
  };
  return <a href={href} onClick={follow} {...rest} />;
}

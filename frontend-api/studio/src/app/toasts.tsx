/** Hides short messages that come and go; an error stays longer and says what helps. */
import { ApiError, OfflineError } from "@atelier/sdk";
import { Icon } from "../ui/Icon";
import { Store, useStore } from "./store";

interface Toast {
  id: number;
  kind: "info" | "error";
  text: string;
}

const store = new Store<readonly Toast[]>([]);
let last = 0;

export function toast(text: string, kind: Toast["kind"] = "info"): void {
  const id = ++last;
  const rest = store.get().filter((other) => other.text !== text);
  store.set([...rest, { id, kind, text }].slice(-3));
  setTimeout(() => dismiss(id), kind === "error" ? 9_000 : 4_500);
}

function dismiss(id: number): void {
  store.set(store.get().filter((other) => other.id !== id));
}

export function toastError(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  toast(sentence(error), "error");
}

/** What went wrong, in words that help. The server's own sentence where it sent one. */
export function sentence(error: unknown): string {
  if (error instanceof OfflineError) return "Atelier can't be reached right now. Your drawing is kept; try this again in a moment.";
  if (error instanceof ApiError) return PLAIN[error.code] ?? error.message;
  return "Something went wrong here. Please try again.";
}

const PLAIN: Record<string, string> = {
  forbidden: "Your role doesn't allow this. Ask an owner of the workspace.",
  not_signed_in: "You are signed out. Sign in again to go on.",
};

export function Toasts() {
  const toasts = useStore(store);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {toasts.map(({ id, kind, text }) => (
        <div key={id} className={`toast toast-${kind}`}>
          {kind === "error" && <Icon name="alert" />}
          <span>{text}</span>
          <button type="button" className="icon-button small" aria-label="Dismiss" onClick={() => dismiss(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}

/** The small parts that every page is made of. */
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Link } from "../app/router";
import { sentence, toastError } from "../app/toasts";
import { toggleTheme, useTheme } from "../app/theme";
import { Icon } from "./Icon";

export function Avatar({ name, colour, ring = false, you = false }: { name: string; colour: string; ring?: boolean; you?: boolean }) {
  const label = you ? `${name} (you)` : name;
  const initials = name.split(/\s+/).map((part) => part[0] ?? "").slice(0, 2).join("").toUpperCase();
  return (
    <span className={ring ? "avatar ring" : "avatar"} style={{ "--person": colour } as never} title={label} aria-label={label} role="img">
      {initials}
    </span>
  );
}

export function ThemeToggle() {
  const dark = useTheme() === "dark";
  const label = dark ? "Use the light theme" : "Use the dark theme";
  return (
    <button type="button" className="icon-button" aria-label={label} title={label} onClick={toggleTheme}>
      <Icon name={dark ? "sun" : "moon"} />
    </button>
  );
}

export function Spinner({ label }: { label: string }) {
  return (
    <div className="spinner" role="status">
      <span className="spinner-dot" aria-hidden="true" />
      <span className="visually-hidden">{label}</span>
    </div>
  );
}

export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    ref.current?.showModal();
  }, []);
  return (
    <dialog
      ref={ref}
      className="dialog"
      aria-label={title}
      onClose={onClose}
      onKeyDown={(event) => event.stopPropagation()}
      onClick={(event) => event.target === ref.current && onClose()}
    >
      <header className="dialog-head">
        <h2>{title}</h2>
        <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div className="dialog-body">{children}</div>
    </dialog>
  );
}

/** A whole page that says one calm thing. */
export function Notice({ title, children, home = true }: { title: string; children?: ReactNode; home?: boolean }) {
  return (
    <main className="notice">
      <h1>{title}</h1>
      {children !== undefined && <p>{children}</p>}
      {home && (
        <Link href="/" className="button primary">
          Go to your projects
        </Link>
      )}
    </main>
  );
}

export function Trouble({ error, onRetry }: { error: Error; onRetry: () => void }) {
  return (
    <div className="trouble" role="alert">
      <Icon name="alert" />
      <p>{sentence(error)}</p>
      <button type="button" className="button" onClick={onRetry}>
        Try again
      </button>
    </div>
  );
}

/** Reads what follows in a list; nothing where that is all. */
export function More({ more }: { more: (() => Promise<void>) | null }) {
  const [busy, setBusy] = useState(false);
  if (more === null) return null;
  const read = () => {
    setBusy(true);
    void more().catch(toastError).finally(() => setBusy(false));
  };
  return (
    <button type="button" className="button more" disabled={busy} onClick={read}>
      Show more
    </button>
  );
}

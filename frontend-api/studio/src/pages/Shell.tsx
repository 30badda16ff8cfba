/** The frame of the pages around the boards: a quiet bar, the page, nothing else. */
import type { Me } from "@atelier/sdk";
import type { ReactNode } from "react";
import { Link } from "../app/router";
import { signOut } from "../app/session";
import { toastError } from "../app/toasts";
import { Icon, Mark } from "../ui/Icon";
import { Avatar, ThemeToggle } from "../ui/parts";

export function Shell({ me, children }: { me: Me; children: ReactNode }) {
  const leave = () => signOut().then(() => location.assign("/sign-in"), toastError);
  return (
    <div className="shell">
      <header className="shell-bar">
        <Link href="/" className="brand" aria-label="Atelier, your projects">
          <Mark />
          <span>Atelier</span>
        </Link>
        <div className="spacer" />
        <Link href="/models" className="icon-button" aria-label="The AI models" title="The AI models">
          <Icon name="model" />
        </Link>
        <ThemeToggle />
        <Link href="/account" className="account-link" aria-label="Your account" title="Your account">
          <Avatar name={me.name || me.email} colour={me.colour} />
        </Link>
        <button type="button" className="icon-button" aria-label="Sign out" title="Sign out" onClick={() => void leave()}>
          <Icon name="signout" />
        </button>
      </header>
      <main className="shell-page">{children}</main>
    </div>
  );
}

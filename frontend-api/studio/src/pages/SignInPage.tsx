/** Sign-in by e-mail address and password. */
import { type FormEvent, useState } from "react";
import { sentence } from "../app/toasts";
import { SignInRefused, signIn } from "../app/session";
import { Mark } from "../ui/Icon";
import { ThemeToggle } from "../ui/parts";

export function SignInPage() {
  const [trouble, setTrouble] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setTrouble(null);
    try {
      await signIn(String(form.get("email")), String(form.get("password")));
      location.assign(next()); // a whole load: nothing of a former person stays in memory
    } catch (error) {
      setTrouble(error instanceof SignInRefused ? error.message : sentence(error));
      setBusy(false);
    }
  };
  return (
    <main className="sign-in">
      <div className="sign-in-corner">
        <ThemeToggle />
      </div>
      <form className="sign-in-card" onSubmit={(event) => void submit(event)}>
        <Mark size={36} />
        <h1>Sign in to Atelier</h1>
        <label className="field">
          <span>E-mail address</span>
          <input name="email" type="email" autoComplete="username" required autoFocus />
        </label>
        <label className="field">
          <span>Password</span>
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        {trouble !== null && (
          <p className="form-trouble" role="alert">
            {trouble}
          </p>
        )}
        <button className="button primary wide" type="submit" disabled={busy}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
      </form>
    </main>
  );
}

/** Where to go on: a path of this site only. */
function next(): string {
  const wanted = new URLSearchParams(location.search).get("next") ?? "/";
  return /^\/(?![/\\])/.test(wanted) ? wanted : "/";
}

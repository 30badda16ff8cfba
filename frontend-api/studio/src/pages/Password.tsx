/** Changing the password, which signs every other browser out. */
import { type FormEvent, useState } from "react";
import { SignInRefused, changePassword } from "../app/session";
import { sentence, toast } from "../app/toasts";

export function Password({ email, onChanged }: { email: string; onChanged: () => void }) {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    setBusy(true);
    setTrouble(null);
    try {
      await changePassword(String(fields.get("current")), String(fields.get("new")));
      toast("Your password is changed. Your other browsers are signed out.");
      setOpen(false);
      onChanged();
    } catch (error) {
      setTrouble(error instanceof SignInRefused ? error.message : sentence(error));
    }
    setBusy(false);
  };
  if (!open) {
    return (
      <button type="button" className="button" onClick={() => setOpen(true)}>
        Change password
      </button>
    );
  }
  return (
    <form className="token-form" onSubmit={(event) => void submit(event)} onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
      <input type="hidden" name="email" value={email} autoComplete="username" />
      <div className="token-line">
        <label className="field">
          <span>Password of now</span>
          <input name="current" type="password" autoComplete="current-password" required autoFocus />
        </label>
        <label className="field">
          <span>New password</span>
          <input name="new" type="password" autoComplete="new-password" required minLength={8} />
        </label>
      </div>
      {trouble !== null && (
        <p className="form-trouble" role="alert">
          {trouble}
        </p>
      )}
      <div className="token-acts">
        <button type="button" className="button" onClick={() => setOpen(false)}>
          Cancel
        </button>
        <button type="submit" className="button primary" disabled={busy}>
          Change password
        </button>
      </div>
    </form>
  );
}

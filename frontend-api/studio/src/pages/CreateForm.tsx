/** One line to name a new thing: opens from a button, Enter creates, Escape leaves. */
import { type FormEvent, useState } from "react";
import { toastError } from "../app/toasts";
import { Icon } from "../ui/Icon";

interface Props {
  label: string;
  placeholder: string;
  create: (name: string) => Promise<void>;
  primary?: boolean;
}

export function CreateForm({ label, placeholder, create, primary = false }: Props) {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name")).trim();
    if (name === "") return;
    setBusy(true);
    try {
      await create(name);
      setOpen(false);
    } catch (error) {
      toastError(error);
    }
    setBusy(false);
  };
  if (!open) {
    return (
      <button type="button" className={primary ? "button primary" : "button"} onClick={() => setOpen(true)}>
        <Icon name="plus" size={16} />
        {label}
      </button>
    );
  }
  return (
    <form className="create-form" onSubmit={(event) => void submit(event)} onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
      <input name="name" aria-label={label} placeholder={placeholder} maxLength={120} autoFocus disabled={busy} />
      <button type="submit" className="button primary" disabled={busy}>
        Create
      </button>
      <button type="button" className="button" onClick={() => setOpen(false)}>
        Cancel
      </button>
    </form>
  );
}

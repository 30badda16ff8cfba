/** Something that is shown once: a token, an invitation's link. Copying it is the one thing to do. */
import { useState } from "react";
import { toast } from "../app/toasts";
import { Icon } from "./Icon";

export function Secret({ label, value, children }: { label: string; value: string; children: React.ReactNode }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value);
      setCopied(true);
    } catch {
      toast("The browser didn't allow copying. Select the text and copy it by hand.", "error");
    }
  };
  return (
    <div className="secret" role="status">
      <p>{children}</p>
      <div className="secret-line">
        <input aria-label={label} value={value} readOnly onFocus={(event) => event.target.select()} />
        <button type="button" className="button primary" onClick={() => void copy()}>
          <Icon name={copied ? "check" : "copy"} size={16} />
          {copied ? "Copied" : "Copy"}
        </button>
      </div>
    </div>
  );
}

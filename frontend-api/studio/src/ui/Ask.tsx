/** A button that asks once more, in its own place, before it does what can't be undone. */
import { useState } from "react";

interface Props {
  /** What the button says. */
  label: string;
  /** What it is about, for those who hear the page: "Remove Bo". Also the answer that does it. */
  act: string;
  keep?: string;
  onYes: () => Promise<void> | void;
}

export function Ask({ label, act, keep = "Keep", onYes }: Props) {
  const [asking, setAsking] = useState(false);
  if (!asking) {
    return (
      <button type="button" className="button small" aria-label={act} onClick={() => setAsking(true)}>
        {label}
      </button>
    );
  }
  const yes = () => {
    setAsking(false);
    void onYes();
  };
  return (
    <div className="member-ask" role="alertdialog" aria-label={`${act}?`} onKeyDown={(event) => event.key === "Escape" && setAsking(false)}>
      <button type="button" className="button small danger" autoFocus onClick={yes}>
        {act}
      </button>
      <button type="button" className="button small" onClick={() => setAsking(false)}>
        {keep}
      </button>
    </div>
  );
}

/** The API tokens of the person: made, shown once, revoked. */
import type { Me, Token } from "@atelier/sdk";
import { type FormEvent, useState } from "react";
import { type Scope, listTokens, makeToken, revokeToken } from "../app/account";
import { useQuery } from "../app/query";
import { toast, toastError } from "../app/toasts";
import { when } from "../app/words";
import { Ask } from "../ui/Ask";
import { Icon } from "../ui/Icon";
import { Secret } from "../ui/Secret";
import { Spinner, Trouble } from "../ui/parts";

const SCOPES: readonly { scope: Scope; label: string; what: string }[] = [
  { scope: "comment", label: "Comment", what: "on what is there" },
  { scope: "edit", label: "Edit", what: "projects, boards and photos, and ask the models" },
  { scope: "delete", label: "Delete", what: "projects, boards and photos" },
  { scope: "manage", label: "Manage", what: "members, roles and invitations" },
];
const DAYS = [7, 30, 90];

export function Tokens({ me }: { me: Me }) {
  const tokens = useQuery("tokens", listTokens);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<{ name: string; token: string } | null>(null);
  const revoke = async (token: Token) => {
    try {
      await revokeToken(token.id);
      toast(`${token.name} has no access any more.`);
    } catch (error) {
      toastError(error);
    }
    tokens.reload();
  };
  const done = (name: string, token: string) => {
    setMaking(false);
    setMade({ name, token });
    tokens.reload();
  };
  return (
    <section className="account-part" aria-labelledby="tokens">
      <header className="part-head">
        <div>
          <h2 id="tokens">API tokens</h2>
          <p className="quiet">For scripts and plug-ins that act for you. They never may more than you.</p>
        </div>
        {!making && (
          <button type="button" className="button" onClick={() => setMaking(true)}>
            <Icon name="plus" size={16} />
            New token
          </button>
        )}
      </header>
      {making && <TokenForm me={me} onMade={done} onCancel={() => setMaking(false)} />}
      {made !== null && (
        <Secret key={made.token} label={`Token ${made.name}`} value={made.token}>
          <strong>{made.name}</strong> is ready. Copy it now: it is not shown again.
        </Secret>
      )}
      {tokens.error !== null && tokens.data === null && <Trouble error={tokens.error} onRetry={tokens.reload} />}
      {tokens.data === null && tokens.error === null && <Spinner label="Reading your tokens" />}
      {tokens.data?.items.length === 0 && !making && <p className="empty">No program acts for you.</p>}
      <ul className="rows">
        {tokens.data?.items.map((token) => (
          <TokenRow key={token.id} token={token} me={me} onRevoke={() => revoke(token)} />
        ))}
      </ul>
    </section>
  );
}

function TokenRow({ token, me, onRevoke }: { token: Token; me: Me; onRevoke: () => Promise<void> }) {
  const workspace = me.workspaces.find((one) => one.id === token.workspace_id)?.name;
  const over = Date.parse(token.expires_at) <= Date.now();
  return (
    <li className="row">
      <span className="row-icon">
        <Icon name="key" />
      </span>
      <div className="row-what">
        <strong>
          {token.name}
          {token.scopes.map((scope) => (
            <span key={scope} className="tag">
              {scope}
            </span>
          ))}
        </strong>
        <span className="quiet">
          <code>…{token.hint}</code> · {workspace ?? (token.workspace_id === null ? "all your workspaces" : "a workspace that you left")} ·{" "}
          {token.last_used_at === null ? "never used" : `used ${when(token.last_used_at)}`} ·{" "}
          <span className={over ? "bad" : undefined}>
            {over ? "expired" : "ends"} {when(token.expires_at)}
          </span>
        </span>
      </div>
      <Ask label="Revoke" act={`Revoke ${token.name}`} onYes={onRevoke} />
    </li>
  );
}

function TokenForm({ me, onMade, onCancel }: { me: Me; onMade: (name: string, token: string) => void; onCancel: () => void }) {
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    setBusy(true);
    try {
      const token = await makeToken({
        name: String(fields.get("name")).trim(),
        scopes: ["read", ...(fields.getAll("scope") as Scope[])],
        expires_in_days: Number(fields.get("days")),
        workspace_id: String(fields.get("workspace")) || null,
      });
      onMade(token.name, token.token);
    } catch (error) {
      toastError(error);
      setBusy(false);
    }
  };
  return (
    <form className="token-form" onSubmit={(event) => void submit(event)} onKeyDown={(event) => event.key === "Escape" && onCancel()}>
      <label className="field">
        <span>What is it for?</span>
        <input name="name" required maxLength={200} placeholder="Nightly export" autoFocus />
      </label>
      <fieldset className="scopes">
        <legend>What may it do, besides read?</legend>
        {SCOPES.map(({ scope, label, what }) => (
          <label key={scope} className="scope">
            <input type="checkbox" name="scope" value={scope} />
            <span>
              {label} <span className="quiet">{what}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <div className="token-line">
        <label className="field">
          <span>Where?</span>
          <select name="workspace" defaultValue="">
            <option value="">All your workspaces</option>
            {me.workspaces.map((workspace) => (
              <option key={workspace.id} value={workspace.id}>
                {workspace.name} only
              </option>
            ))}
          </select>
        </label>
        <label className="field">
          <span>For how long?</span>
          <select name="days" defaultValue={30}>
            {DAYS.map((days) => (
              <option key={days} value={days}>
                {days} days
              </option>
            ))}
          </select>
        </label>
      </div>
      <div className="token-acts">
        <button type="button" className="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" className="button primary" disabled={busy}>
          Make token
        </button>
      </div>
    </form>
  );
}

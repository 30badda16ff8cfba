/** What compute was used this month, of how much; those who manage the workspace set the limits. */
import type { Account, Member } from "@atelier/sdk";
import { type FormEvent, useState } from "react";
import { getBudget, setBudget } from "../app/account";
import { useQuery } from "../app/query";
import { toast, toastError } from "../app/toasts";
import { seconds } from "../app/words";
import { Spinner, Trouble } from "../ui/parts";

interface Props {
  workspaceId: string;
  members: readonly Member[];
  manages: boolean;
}

export function Compute({ workspaceId, members, manages }: Props) {
  const budget = useQuery(`budget ${workspaceId}`, () => getBudget(workspaceId));
  if (budget.error !== null && budget.data === null) return <Trouble error={budget.error} onRetry={budget.reload} />;
  if (budget.data === null) return <Spinner label="Reading the month's compute" />;
  const month = new Date(budget.data.month).toLocaleDateString("en", { month: "long", timeZone: "UTC" });
  const accounts = new Map(budget.data.people.map((account) => [account.person_id, account]));
  const shown = members.filter(({ person }) => manages || accounts.has(person.id));
  const save = async (personId: string | null, limits: Limits) => {
    try {
      await setBudget(workspaceId, personId, limits);
      toast("The limits are set.");
    } catch (error) {
      toastError(error);
    }
    budget.reload();
  };
  return (
    <section className="account-part" aria-labelledby="compute">
      <header className="part-head">
        <div>
          <h2 id="compute">Compute in {month}</h2>
          <p className="quiet">What the AI models worked for this workspace. It begins anew with each month.</p>
        </div>
      </header>
      <ul className="rows">
        <AccountRow name="The whole workspace" account={budget.data.workspace} manages={manages} onSave={(limits) => save(null, limits)} />
        {shown.map(({ person }) => (
          <AccountRow
            key={person.id}
            name={person.name || person.email}
            account={accounts.get(person.id) ?? NOTHING}
            manages={manages}
            onSave={(limits) => save(person.id, limits)}
          />
        ))}
      </ul>
    </section>
  );
}

interface Limits {
  soft_s: number | null;
  hard_s: number | null;
}

const NOTHING: Account = { person_id: null, soft_s: null, hard_s: null, spent_s: 0, waiting_s: 0 };

interface RowProps {
  name: string;
  account: Account;
  manages: boolean;
  onSave: (limits: Limits) => Promise<void>;
}

function AccountRow({ name, account, manages, onSave }: RowProps) {
  const [editing, setEditing] = useState(false);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    void onSave({ soft_s: minutes(form.get("soft")), hard_s: minutes(form.get("hard")) }).then(() => setEditing(false));
  };
  return (
    <li className="row compute">
      <div className="row-what">
        <strong>
          {name}
          <State account={account} />
        </strong>
        <span className="quiet">{said(account)}</span>
        {account.hard_s !== null && <Meter name={name} account={account} most={account.hard_s} />}
        {editing && (
          <form className="limits" onSubmit={submit} onKeyDown={(event) => event.key === "Escape" && setEditing(false)}>
            <label>
              Warn after <input name="soft" type="number" min="0" step="any" defaultValue={inMinutes(account.soft_s)} autoFocus /> minutes
            </label>
            <label>
              Stop after <input name="hard" type="number" min="0" step="any" defaultValue={inMinutes(account.hard_s)} /> minutes
            </label>
            <button type="submit" className="button primary">
              Set
            </button>
            <button type="button" className="button" onClick={() => setEditing(false)}>
              Cancel
            </button>
          </form>
        )}
      </div>
      {manages && !editing && (
        <button type="button" className="button" aria-label={`Limits of ${name}`} onClick={() => setEditing(true)}>
          {account.hard_s === null && account.soft_s === null ? "Set a limit" : "Change"}
        </button>
      )}
    </li>
  );
}

function State({ account }: { account: Account }) {
  if (account.hard_s !== null && account.spent_s >= account.hard_s) return <span className="tag bad">used up</span>;
  if (account.soft_s !== null && account.spent_s >= account.soft_s) return <span className="tag warn">running low</span>;
  return null;
}

function Meter({ name, account, most }: { name: string; account: Account; most: number }) {
  const part = most === 0 ? 1 : Math.min(1, account.spent_s / most);
  const full = part >= 1 ? "meter bad" : account.soft_s !== null && account.spent_s >= account.soft_s ? "meter warn" : "meter";
  return (
    <div className={full} role="meter" aria-label={`Compute of ${name}`} aria-valuemin={0} aria-valuemax={most} aria-valuenow={account.spent_s}>
      <div style={{ transform: `scaleX(${part})` }} />
    </div>
  );
}

function said({ spent_s, waiting_s, soft_s, hard_s }: Account): string {
  const parts = [hard_s === null ? `${seconds(spent_s)} used` : `${seconds(spent_s)} of ${seconds(hard_s)} used`];
  if (waiting_s > 0) parts.push(`about ${seconds(waiting_s)} waiting`);
  if (soft_s !== null) parts.push(`a warning after ${seconds(soft_s)}`);
  return parts.join(" · ");
}

const inMinutes = (value: number | null) => (value === null ? "" : String(Math.round(value / 0.6) / 100));

function minutes(value: FormDataEntryValue | null): number | null {
  const text = String(value ?? "").trim();
  return text === "" ? null : Number(text) * 60;
}

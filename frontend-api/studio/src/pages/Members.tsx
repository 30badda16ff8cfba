/** The members of a workspace: who, with which role; adding by e-mail address, removing after a question. */
import type { Me, Member } from "@atelier/sdk";
import { type FormEvent, useState } from "react";
import { addMember, listMembers, removeMember } from "../app/api";
import { useQuery } from "../app/query";
import { toast, toastError } from "../app/toasts";
import { Avatar, Spinner, Trouble } from "../ui/parts";

const ROLES = ["editor", "commenter", "viewer", "admin"] as const;

export function Members({ me, workspaceId }: { me: Me; workspaceId: string }) {
  const members = useQuery(`members ${workspaceId}`, () => listMembers(workspaceId));
  const [leaving, setLeaving] = useState<Member | null>(null);
  const role = me.workspaces.find((workspace) => workspace.id === workspaceId)?.role;
  const manages = role === "owner" || role === "admin";
  const remove = async (member: Member) => {
    setLeaving(null);
    try {
      await removeMember(workspaceId, member.person.id);
      toast(`${member.person.name} no longer has access.`);
    } catch (error) {
      toastError(error);
    }
    members.reload();
  };
  if (members.error !== null && members.data === null) return <Trouble error={members.error} onRetry={members.reload} />;
  if (members.data === null) return <Spinner label="Reading the members" />;
  return (
    <>
      {manages && <AddMember workspaceId={workspaceId} onAdded={members.reload} />}
      <ul className="members">
        {members.data.items.map((member) => (
          <li key={member.person.id} className="member">
            <Avatar name={member.person.name} colour={member.person.colour} />
            <div className="member-who">
              <strong>
                {member.person.name}
                {member.person.id === me.id && <span className="quiet"> (you)</span>}
              </strong>
              <span className="quiet">{member.person.email}</span>
            </div>
            {leaving?.person.id === member.person.id ? (
              <div className="member-ask" role="alertdialog" aria-label={`Remove ${member.person.name}?`}>
                <button type="button" className="button danger" autoFocus onClick={() => void remove(member)}>
                  Remove {member.person.name}
                </button>
                <button type="button" className="button" onClick={() => setLeaving(null)}>
                  Keep
                </button>
              </div>
            ) : (
              <>
                <span className="role">{member.role}</span>
                {manages && member.role !== "owner" && member.person.id !== me.id && (
                  <button type="button" className="button small" aria-label={`Remove ${member.person.name}`} onClick={() => setLeaving(member)}>
                    Remove
                  </button>
                )}
              </>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}

function AddMember({ workspaceId, onAdded }: { workspaceId: string; onAdded: () => void }) {
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const fields = new FormData(form);
    setBusy(true);
    try {
      await addMember(workspaceId, { email: String(fields.get("email")), role: fields.get("role") as (typeof ROLES)[number] });
      toast("Added. They see the workspace at once.");
      form.reset();
      onAdded();
    } catch (error) {
      toastError(error);
    }
    setBusy(false);
  };
  return (
    <form className="add-member" onSubmit={(event) => void submit(event)}>
      <input name="email" type="email" required placeholder="E-mail address" aria-label="E-mail address" />
      <select name="role" aria-label="Role" defaultValue="editor">
        {ROLES.map((role) => (
          <option key={role} value={role}>
            {role}
          </option>
        ))}
      </select>
      <button type="submit" className="button primary" disabled={busy}>
        Add
      </button>
    </form>
  );
}

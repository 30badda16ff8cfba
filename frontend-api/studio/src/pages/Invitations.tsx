/** Inviting people to a workspace: who signs in here is added at once, anybody else gets a link. */
import { ApiError, type Invitation, type InvitationLetter } from "@atelier/sdk";
import { type FormEvent, useState } from "react";
import { GIVEN, type Given, invite, inviteAgain, listInvitations, revokeInvitation } from "../app/account";
import { addMember } from "../app/api";
import { useQuery } from "../app/query";
import { toast, toastError } from "../app/toasts";
import { when } from "../app/words";
import { Ask } from "../ui/Ask";
import { Icon } from "../ui/Icon";
import { Secret } from "../ui/Secret";

export function Invitations({ workspaceId, onAdded }: { workspaceId: string; onAdded: () => void }) {
  const open = useQuery(`invitations ${workspaceId}`, () => listInvitations(workspaceId));
  const [letter, setLetter] = useState<InvitationLetter | null>(null);
  const take = async (act: () => Promise<InvitationLetter | null>) => {
    try {
      setLetter(await act());
    } catch (error) {
      toastError(error);
    }
    open.reload();
  };
  return (
    <>
      <InviteForm workspaceId={workspaceId} onAdded={onAdded} onInvited={(made) => take(() => Promise.resolve(made))} />
      {letter !== null && (
        <Secret key={letter.link} label="Link of the invitation" value={letter.link}>
          {letter.mailed ? "The invitation is on its way to " : "Send this link to "}
          <strong>{letter.email}</strong>
          {letter.mailed ? ". This is its link, too:" : ". It lets them in, with or without an account:"}
        </Secret>
      )}
      {(open.data?.items.length ?? 0) > 0 && (
        <ul className="members waiting" aria-label="Invited">
          {open.data?.items.map((invitation) => (
            <InvitedRow
              key={invitation.id}
              invitation={invitation}
              onAgain={() => take(() => inviteAgain(workspaceId, invitation.id))}
              onRevoke={() => take(() => revokeInvitation(workspaceId, invitation.id).then(() => null))}
            />
          ))}
        </ul>
      )}
    </>
  );
}

interface RowProps {
  invitation: Invitation;
  onAgain: () => Promise<void>;
  onRevoke: () => Promise<void>;
}

function InvitedRow({ invitation, onAgain, onRevoke }: RowProps) {
  const over = Date.parse(invitation.expires_at) <= Date.now();
  return (
    <li className="member">
      <span className="avatar waiting-avatar" aria-hidden="true">
        <Icon name="mail" size={15} />
      </span>
      <div className="member-who">
        <strong>{invitation.email}</strong>
        <span className={over ? "bad" : "quiet"}>
          {over ? "the link has expired" : `invited ${when(invitation.created_at)}, the link ends ${when(invitation.expires_at)}`}
        </span>
      </div>
      <span className="role">{invitation.role}</span>
      <button type="button" className="button small" aria-label={`New link for ${invitation.email}`} onClick={() => void onAgain()}>
        New link
      </button>
      <Ask label="Revoke" act={`Revoke ${invitation.email}`} onYes={onRevoke} />
    </li>
  );
}

interface FormProps {
  workspaceId: string;
  onAdded: () => void;
  onInvited: (letter: InvitationLetter) => void;
}

function InviteForm({ workspaceId, onAdded, onInvited }: FormProps) {
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const fields = new FormData(form);
    const wish = { email: String(fields.get("email")).trim(), role: fields.get("role") as Given };
    setBusy(true);
    try {
      await addMember(workspaceId, wish).then(() => {
        toast(`${wish.email} was here already and sees the workspace now.`);
        onAdded();
      }, async (error: unknown) => {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
        onInvited(await invite(workspaceId, wish));
      });
      form.reset();
    } catch (error) {
      toastError(error);
    }
    setBusy(false);
  };
  return (
    <form className="add-member" onSubmit={(event) => void submit(event)}>
      <input name="email" type="email" required placeholder="E-mail address" aria-label="E-mail address" />
      <select name="role" aria-label="Role" defaultValue="editor">
        {GIVEN.map((role) => (
          <option key={role} value={role}>
            {role}
          </option>
        ))}
      </select>
      <button type="submit" className="button primary" disabled={busy}>
        Invite
      </button>
    </form>
  );
}

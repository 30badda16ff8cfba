/** The members of a workspace: who, with which role; changing roles, removing, leaving. */
import type { Me, Member } from "@atelier/sdk";
import { GIVEN, type Given, setRole } from "../app/account";
import { listMembers, removeMember } from "../app/api";
import { useQuery } from "../app/query";
import { toast, toastError } from "../app/toasts";
import { Ask } from "../ui/Ask";
import { Avatar, Spinner, Trouble } from "../ui/parts";
import { Compute } from "./Compute";
import { Invitations } from "./Invitations";

export function Members({ me, workspaceId }: { me: Me; workspaceId: string }) {
  const members = useQuery(`members ${workspaceId}`, () => listMembers(workspaceId));
  const role = me.workspaces.find((workspace) => workspace.id === workspaceId)?.role;
  const manages = role === "owner" || role === "admin";
  const change = async (act: () => Promise<unknown>, said: string) => {
    try {
      await act();
      toast(said);
    } catch (error) {
      toastError(error);
    }
    members.reload();
  };
  if (members.error !== null && members.data === null) return <Trouble error={members.error} onRetry={members.reload} />;
  if (members.data === null) return <Spinner label="Reading the members" />;
  return (
    <>
      {manages && <Invitations workspaceId={workspaceId} onAdded={members.reload} />}
      <ul className="members" aria-label="Members">
        {members.data.items.map((member) => (
          <MemberRow
            key={member.person.id}
            member={member}
            me={me}
            manages={manages}
            onRole={(to) => change(() => setRole(workspaceId, member.person.id, to), `${nameOf(member)} is ${to} now.`)}
            onRemove={() => change(() => removeMember(workspaceId, member.person.id), `${nameOf(member)} no longer has access.`)}
            onLeave={() => removeMember(workspaceId, me.id).then(() => location.assign("/"), toastError)}
          />
        ))}
      </ul>
      <Compute workspaceId={workspaceId} members={members.data.items} manages={manages} />
    </>
  );
}

const nameOf = (member: Member) => member.person.name || member.person.email;

interface RowProps {
  member: Member;
  me: Me;
  manages: boolean;
  onRole: (role: Given) => Promise<void>;
  onRemove: () => Promise<void>;
  onLeave: () => Promise<void>;
}

function MemberRow({ member, me, manages, onRole, onRemove, onLeave }: RowProps) {
  const mine = member.person.id === me.id;
  const stays = member.role === "owner";
  return (
    <li className="member">
      <Avatar name={nameOf(member)} colour={member.person.colour} />
      <div className="member-who">
        <strong>
          {nameOf(member)}
          {mine && <span className="quiet"> (you)</span>}
        </strong>
        <span className="quiet">{member.person.email}</span>
      </div>
      {manages && !stays && !mine ? (
        <select
          className="role-choice"
          aria-label={`Role of ${nameOf(member)}`}
          value={member.role}
          onChange={(event) => void onRole(event.target.value as Given)}
        >
          {GIVEN.map((role) => (
            <option key={role} value={role}>
              {role}
            </option>
          ))}
        </select>
      ) : (
        <span className="role">{member.role}</span>
      )}
      {mine && !stays && <Ask label="Leave" act="Leave the workspace" keep="Stay" onYes={onLeave} />}
      {manages && !stays && !mine && <Ask label="Remove" act={`Remove ${nameOf(member)}`} onYes={onRemove} />}
    </li>
  );
}

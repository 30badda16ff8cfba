/** The people of a workspace by name, for what they made. */
import type { Me } from "@atelier/sdk";
import { listMembers } from "../app/api";
import { useQuery } from "../app/query";

/** Who has left the workspace is no longer known by name. */
export function useNames(me: Me, workspaceId: string): (personId: string) => string {
  const members = useQuery(`members ${workspaceId}`, () => listMembers(workspaceId));
  const names = new Map(members.data?.items.map(({ person }) => [person.id, person.name || person.email]));
  return (personId) => (personId === me.id ? "you" : (names.get(personId) ?? (members.data === null ? "…" : "somebody who has left")));
}

export function mayEdit(me: Me, workspaceId: string | undefined): boolean {
  const role = me.workspaces.find((workspace) => workspace.id === workspaceId)?.role;
  return role !== undefined && role !== "viewer" && role !== "commenter";
}

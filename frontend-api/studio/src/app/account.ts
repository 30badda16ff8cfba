/** Hides the calls about people: sessions, tokens, invitations, roles. */
import { type Role, unwrap } from "@atelier/sdk";
import { api } from "./api";

const V1 = "/api/v1";
type Id = string;
/** A role that can be given; the owner's is handed over. */
export type Given = Exclude<Role, "owner">;
export type Scope = "read" | "comment" | "edit" | "delete" | "manage";

export const GIVEN: readonly Given[] = ["editor", "commenter", "viewer", "admin"];

export const listSessions = () => unwrap(api.GET(`${V1}/me/sessions`, {}));
export const endSession = (session_id: Id) => unwrap(api.DELETE(`${V1}/me/sessions/{session_id}`, { params: { path: { session_id } } }));
export const endOtherSessions = () => unwrap(api.DELETE(`${V1}/me/sessions`, {}));

export const listTokens = () => unwrap(api.GET(`${V1}/me/tokens`, {}));
export const makeToken = (body: { name: string; scopes: Scope[]; expires_in_days: number; workspace_id: Id | null }) =>
  unwrap(api.POST(`${V1}/me/tokens`, { body }));
export const revokeToken = (token_id: Id) => unwrap(api.DELETE(`${V1}/me/tokens/{token_id}`, { params: { path: { token_id } } }));

export const getBudget = (workspace_id: Id) => unwrap(api.GET(`${V1}/workspaces/{workspace_id}/budget`, { params: { path: { workspace_id } } }));
export const setBudget = (workspace_id: Id, person_id: Id | null, body: { soft_s: number | null; hard_s: number | null }) =>
  person_id === null
    ? unwrap(api.PUT(`${V1}/workspaces/{workspace_id}/budget`, { params: { path: { workspace_id } }, body }))
    : unwrap(api.PUT(`${V1}/workspaces/{workspace_id}/members/{person_id}/budget`, { params: { path: { workspace_id, person_id } }, body }));

export const foundWorkspace = (name: string) => unwrap(api.POST(`${V1}/workspaces`, { body: { name } }));

export const setRole = (workspace_id: Id, person_id: Id, role: Given) =>
  unwrap(
    api.PATCH(`${V1}/workspaces/{workspace_id}/members/{person_id}`, {
      params: { path: { workspace_id, person_id }, header: { "If-Match": "*" } },
      body: { role },
    }),
  );

export const listInvitations = (workspace_id: Id) =>
  unwrap(api.GET(`${V1}/workspaces/{workspace_id}/invitations`, { params: { path: { workspace_id } } }));
export const invite = (workspace_id: Id, body: { email: string; role: Given }) =>
  unwrap(api.POST(`${V1}/workspaces/{workspace_id}/invitations`, { params: { path: { workspace_id } }, body }));
export const inviteAgain = (workspace_id: Id, invitation_id: Id) =>
  unwrap(api.POST(`${V1}/workspaces/{workspace_id}/invitations/{invitation_id}/send`, { params: { path: { workspace_id, invitation_id } } }));
export const revokeInvitation = (workspace_id: Id, invitation_id: Id) =>
  unwrap(api.DELETE(`${V1}/workspaces/{workspace_id}/invitations/{invitation_id}`, { params: { path: { workspace_id, invitation_id } } }));

export const readInvitation = (secret: string) => unwrap(api.GET(`${V1}/invitations/{secret}`, { params: { path: { secret } } }));
export const acceptInvitation = (secret: string) =>
  unwrap(api.POST(`${V1}/invitations/{secret}/accept`, { params: { path: { secret } } }));

/** Hides the calls that the studio makes; each returns the body or throws ApiError or OfflineError. */
import { type Lane, type TaskName, type ToolAct, createAtelier, unwrap } from "@atelier/sdk";

export const api = createAtelier();

const V1 = "/api/v1";
type Id = string;

export const getMe = () => unwrap(api.GET(`${V1}/me`));

export const listMembers = (workspace_id: Id) =>
  unwrap(api.GET(`${V1}/workspaces/{workspace_id}/members`, { params: { path: { workspace_id } } }));

export const addMember = (workspace_id: Id, body: { email: string; role: "admin" | "editor" | "commenter" | "viewer" }) =>
  unwrap(api.POST(`${V1}/workspaces/{workspace_id}/members`, { params: { path: { workspace_id } }, body }));

export const removeMember = (workspace_id: Id, person_id: Id) =>
  unwrap(api.DELETE(`${V1}/workspaces/{workspace_id}/members/{person_id}`, { params: { path: { workspace_id, person_id } } }));

export const listProjects = (workspace_id: Id) =>
  unwrap(api.GET(`${V1}/workspaces/{workspace_id}/projects`, { params: { path: { workspace_id } } }));

export const createProject = (workspace_id: Id, name: string) =>
  unwrap(api.POST(`${V1}/workspaces/{workspace_id}/projects`, { params: { path: { workspace_id } }, body: { name } }));

export const getProject = (project_id: Id) => unwrap(api.GET(`${V1}/projects/{project_id}`, { params: { path: { project_id } } }));

export const listDocuments = (project_id: Id) =>
  unwrap(api.GET(`${V1}/projects/{project_id}/documents`, { params: { path: { project_id } } }));

export const createBoard = (project_id: Id, name: string) =>
  unwrap(api.POST(`${V1}/projects/{project_id}/documents`, { params: { path: { project_id } }, body: { kind: "board", name } }));

export const getDocument = (document_id: Id) =>
  unwrap(api.GET(`${V1}/documents/{document_id}`, { params: { path: { document_id } } }));

export const undoEdit = (document_id: Id, edit_id: Id) =>
  unwrap(api.POST(`${V1}/documents/{document_id}/edits/{edit_id}/undo`, { params: { path: { document_id, edit_id } } }));

export const listAssets = (project_id: Id) =>
  unwrap(api.GET(`${V1}/projects/{project_id}/assets`, { params: { path: { project_id }, query: { limit: 60 } } }));

export const getAsset = (asset_id: Id) => unwrap(api.GET(`${V1}/assets/{asset_id}`, { params: { path: { asset_id } } }));

export const listJobs = (project_id: Id) =>
  unwrap(api.GET(`${V1}/projects/{project_id}/jobs`, { params: { path: { project_id }, query: { limit: 30 } } }));

export const getJob = (job_id: Id) => unwrap(api.GET(`${V1}/jobs/{job_id}`, { params: { path: { job_id } } }));

export const cancelJob = (job_id: Id) => unwrap(api.POST(`${V1}/jobs/{job_id}/cancel`, { params: { path: { job_id } } }));

export const runJobAgain = (job_id: Id) => unwrap(api.POST(`${V1}/jobs/{job_id}/run-again`, { params: { path: { job_id } } }));

export const listTasks = () => unwrap(api.GET(`${V1}/tasks`));

export const listModels = () => unwrap(api.GET(`${V1}/models`));

export const submitJob = (
  project_id: Id,
  order: { task: TaskName; input_asset_id: Id; document_id?: Id; element_id?: string; lane?: Lane },
  idempotencyKey: string,
) =>
  unwrap(
    api.POST(`${V1}/projects/{project_id}/jobs`, {
      params: { path: { project_id }, header: { "Idempotency-Key": idempotencyKey } },
      body: order,
    }),
  );

export const getSuggestions = (project_id: Id) =>
  unwrap(api.GET(`${V1}/projects/{project_id}/suggestions`, { params: { path: { project_id } } }));

export const recordAct = (project_id: Id, act: { tool: ToolAct; asset_id?: Id; document_id?: Id }) =>
  unwrap(api.POST(`${V1}/projects/{project_id}/acts`, { params: { path: { project_id } }, body: act }));

/** Short names for the API's schemas. */
export type Role = "owner" | "admin" | "editor" | "commenter" | "viewer";
export interface Person { id: string; email: string; name: string; colour: string }
export interface WorkspaceMembership { id: string; name: string; role: Role }
export interface Me extends Person { workspaces: WorkspaceMembership[] }
export interface Member { person: Person; role: Role; joined_at: string }
export interface Project { id: string; name: string; workspace_id: string; created_at: string }
export interface Document { id: string; project_id: string; kind: "board" | "text" | "scene"; name: string; epoch: number; created_at: string }
export interface Rendition { url: string; width: number; height: number; media_type: string }
export interface Lineage {
  parent_id: string; task: string; model: string; model_version: string;
  parameters: Record<string, unknown>; compute_s: number; job_id: string;
}
export interface Asset {
  id: string; project_id: string; name: string; media_type: string; width: number; height: number; size_bytes: number;
  sha256: string; created_at: string; created_by: string; state: string;
  renditions: { original: Rendition; web: Rendition; thumbnail: Rendition };
  lineage: Lineage | null;
}
export type JobState = "queued" | "running" | "succeeded" | "failed" | "cancelled";
export interface Job {
  id: string; project_id: string; task: string; state: JobState; progress: { done: number; total: number };
  input_asset_id: string; output_asset_id: string | null; document_id: string | null; element_id?: string | null;
  edit_id: string | null; error: { code: string; detail: string } | null; estimate_s: number | null;
  compute_s: number | null; created_by: string; created_at: string; started_at: string | null; finished_at: string | null;
}
export interface Suggestion {
  kind: "asset" | "tool"; id: string; name: string; thumbnail_url: string | null; reason: string; score: number;
}

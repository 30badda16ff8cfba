/** The public face of Atelier's TypeScript client: the HTTP API by its OpenAPI types, boards by Yjs, uploads to S3. */
export { ApiError, OfflineError, createAtelier, csrfToken, unwrap, type Atelier, type Problem } from "./client";
export { BoardConnection, type BoardConnectionOptions, type Closed, type SavedState } from "./live";
export { SavedTracker } from "./saved";
export { sha256Hex, uploadPhoto, type UploadOptions } from "./uploads";
export type * from "./models";

/** Hides a photo's way from the browser straight to S3: digest, presigned PUT with progress, verification. */
import { type Atelier, ApiError, OfflineError, unwrap } from "./client";
import type { Asset, UploadKind } from "./models";

export interface UploadOptions {
  projectId: string;
  file: File;
  /** Bytes sent and bytes in all. */
  onProgress?: (sent: number, total: number) => void;
  signal?: AbortSignal;
}

/** Uploads and returns the ready asset. Raises ApiError (too_large, unsupported_media, …) or OfflineError. */
export async function uploadPhoto(api: Atelier, { projectId, file, onProgress, signal }: UploadOptions): Promise<Asset> {
  const upload = await unwrap(
    api.POST("/api/v1/projects/{project_id}/uploads", {
      params: { path: { project_id: projectId } },
      body: {
        filename: file.name || "photo",
        size_bytes: file.size,
        sha256: await sha256Hex(file),
        media_type: (file.type || "application/octet-stream") as UploadKind, // the server refuses others, in words
      },
      signal,
    }),
  );
  await put(upload.url, upload.headers, file, onProgress, signal);
  return unwrap(api.POST("/api/v1/uploads/{upload_id}/finish", { params: { path: { upload_id: upload.id } }, signal }));
}

export async function sha256Hex(file: Blob): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** XMLHttpRequest, for fetch tells no progress of what it sends. */
function put(
  url: string,
  headers: Record<string, string>,
  file: Blob,
  onProgress?: (sent: number, total: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) {
      if (!/^(host|content-length)$/i.test(name)) request.setRequestHeader(name, value); // the browser sets these
    }
    request.upload.onprogress = (event) => onProgress?.(event.loaded, event.total);
    request.onerror = () => reject(new OfflineError());
    request.onabort = () => reject(new DOMException("The upload was cancelled.", "AbortError"));
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve();
      else reject(new ApiError({ title: "The storage refused the file.", status: request.status, code: "storage_refused" }));
    };
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}

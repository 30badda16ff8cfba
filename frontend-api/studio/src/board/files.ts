/** Hides how an asset's id in the document becomes a picture on the canvas: web rendition, kept for offline use. */
import { ApiError } from "@atelier/sdk";
import type { BinaryFileData, ExcalidrawImperativeAPI } from "@excalidraw/excalidraw/types";
import { getAsset } from "../app/api";

const CACHE = "atelier-assets";
const RETRY_MS = 4_000;

export const isAssetId = (id: unknown): id is string => typeof id === "string" && id.startsWith("ast_");

export class AssetFiles {
  private readonly state = new Map<string, "loading" | "shown" | "missing">();
  private stopped = false;

  constructor(private readonly api: ExcalidrawImperativeAPI) {}

  /** Fetches what the board shows and this canvas has not got. Cheap to call on each change. */
  ensure(fileIds: Iterable<string>): void {
    for (const id of fileIds) if (isAssetId(id) && !this.state.has(id)) void this.load(id);
  }

  /** An event told that the asset is there now. */
  retry(id: string): void {
    if (this.state.get(id) === "missing") this.state.delete(id);
  }

  stop(): void {
    this.stopped = true;
  }

  private async load(id: string): Promise<void> {
    this.state.set(id, "loading");
    try {
      const blob = (await keptPicture(id)) ?? (await fetchPicture(id));
      const file = { id, mimeType: blob.type, dataURL: await dataUrl(blob), created: Date.now() };
      this.state.set(id, "shown");
      if (!this.stopped) this.api.addFiles([file as unknown as BinaryFileData]);
    } catch (error) {
      if (error instanceof ApiError && error.status < 500) {
        this.state.set(id, "missing"); // Excalidraw's own placeholder stays
        return;
      }
      setTimeout(() => {
        this.state.delete(id);
        if (!this.stopped) this.ensure([id]);
      }, RETRY_MS);
    }
  }
}

async function fetchPicture(id: string): Promise<Blob> {
  const asset = await getAsset(id);
  const answer = await fetch(asset.renditions.web.url, { signal: AbortSignal.timeout(30_000) });
  if (!answer.ok) throw new Error(`The storage answered ${answer.status}.`);
  const blob = await answer.blob();
  const cache = await caches.open(CACHE).catch(() => null);
  await cache?.put(cacheKey(id), new Response(blob, { headers: { "Content-Type": asset.renditions.web.media_type } }));
  return new Blob([blob], { type: asset.renditions.web.media_type });
}

async function keptPicture(id: string): Promise<Blob | null> {
  const answer = await caches.match(cacheKey(id), { cacheName: CACHE }).catch(() => undefined);
  return answer === undefined ? null : answer.blob();
}

const cacheKey = (id: string) => `/kept-assets/${id}`;

function dataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error ?? new Error("The picture can't be read."));
    reader.readAsDataURL(blob);
  });
}

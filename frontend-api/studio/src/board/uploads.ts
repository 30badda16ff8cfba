/** Hides photos on their way: each shows as a ghost on the board until its asset is ready. */
import { type Asset, uploadPhoto } from "@atelier/sdk";
import { api } from "../app/api";
import { Store } from "../app/store";
import { toastError } from "../app/toasts";
import { type Point, displaySize } from "./insert";

export interface Ghost {
  key: number;
  name: string;
  preview: string;
  x: number;
  y: number;
  width: number;
  height: number;
  /** 0 to 1. */
  progress: number;
  cancel: () => void;
}

const STEP = 28;

export class Uploads {
  readonly ghosts = new Store<readonly Ghost[]>([]);
  private last = 0;

  constructor(
    private readonly projectId: string,
    private readonly onReady: (asset: Asset, at: Point) => void,
  ) {}

  /** Uploads all of them at once; each that is refused says why and leaves the others alone. */
  add(files: readonly File[], at: Point): void {
    files.forEach((file, i) => void this.one(file, { x: at.x + i * STEP, y: at.y + i * STEP }));
  }

  private async one(file: File, at: Point): Promise<void> {
    const key = ++this.last;
    const abort = new AbortController();
    const preview = URL.createObjectURL(file);
    const size = await pictureSize(preview);
    const ghost = { key, name: file.name, preview, ...size, x: at.x - size.width / 2, y: at.y - size.height / 2 };
    this.ghosts.set([...this.ghosts.get(), { ...ghost, progress: 0, cancel: () => abort.abort() }]);
    try {
      const onProgress = (sent: number, total: number) => this.progress(key, sent / total);
      this.onReady(await uploadPhoto(api, { projectId: this.projectId, file, onProgress, signal: abort.signal }), at);
    } catch (error) {
      if (!abort.signal.aborted) toastError(error);
    } finally {
      this.ghosts.set(this.ghosts.get().filter((other) => other.key !== key));
      URL.revokeObjectURL(preview);
    }
  }

  private progress(key: number, progress: number): void {
    this.ghosts.set(this.ghosts.get().map((ghost) => (ghost.key === key ? { ...ghost, progress } : ghost)));
  }
}

/** As it will lie on the board; what the browser can't decode the server will judge. */
async function pictureSize(url: string): Promise<{ width: number; height: number }> {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    return displaySize(image.naturalWidth, image.naturalHeight);
  } catch {
    return { width: 240, height: 180 };
  }
}

export function photosIn(data: DataTransfer | null): File[] {
  return [...(data?.files ?? [])].filter((file) => file.type.startsWith("image/") || file.type === "");
}

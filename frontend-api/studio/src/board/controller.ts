/** Hides how canvas, session, files, photos, jobs and events of one open board work together. */
import type { Asset, Me, TaskName } from "@atelier/sdk";
import type { ExcalidrawImperativeAPI } from "@excalidraw/excalidraw/types";
import { Store } from "../app/store";
import { toast, toastError } from "../app/toasts";
import type { Acts } from "./acts";
import { ExcalidrawScene, heldIds } from "./canvas";
import { followProject } from "./events";
import { AssetFiles } from "./files";
import { type Point, centre, placeAsset } from "./insert";
import { Jobs } from "./jobs";
import { EMPTY_OVERLAY, type OverlayModel, overlayModel } from "./overlay-model";
import type { BoardSession } from "./session";
import { Uploads } from "./uploads";

const POINTER_INTERVAL_MS = 45;

export class Controller {
  readonly model = new Store<OverlayModel>(EMPTY_OVERLAY);
  readonly uploads: Uploads;
  readonly jobs: Jobs;
  private readonly files: AssetFiles;
  private attached = false;
  private frame = 0;
  private modelText = "";
  private selectionText = "";
  private lastPointer: Point | null = null;
  private lastPointerSent = 0;

  constructor(
    readonly api: ExcalidrawImperativeAPI,
    private readonly session: BoardSession,
    private readonly acts: Acts,
    me: Me,
  ) {
    const { project_id: projectId, id: documentId } = session.document;
    this.files = new AssetFiles(api);
    this.jobs = new Jobs(me, projectId, documentId, (editId) => session.undo.addServerEdit(editId));
    this.uploads = new Uploads(projectId, (asset, at) => this.place(asset, "image", at));
  }

  /** Follows the project's events until the returned function is called. */
  start({ onSuggestions, onAssets }: { onSuggestions: () => void; onAssets: () => void }): () => void {
    const stopJobs = this.jobs.live.subscribe(this.redraw);
    const stopOthers = this.session.others.subscribe(this.redraw);
    const stopCanvas = this.api.onChange(this.onChange);
    this.onChange();
    const leave = followProject(this.session.document.project_id, {
      job: (job) => this.jobs.onJob(job),
      asset: (asset) => {
        this.files.retry(asset.id);
        onAssets();
      },
      suggestions: onSuggestions,
      open: () => {
        onSuggestions();
        onAssets();
        this.jobs.refresh().catch(() => undefined); // the stream brings the next change
      },
    });
    return () => {
      leave();
      stopCanvas();
      stopJobs();
      stopOthers();
      cancelAnimationFrame(this.frame);
      this.files.stop();
    };
  }

  /** After each update of the canvas; first when its own start is over. */
  private onChange = (): void => {
    if (!this.attached) {
      if (this.api.getAppState().isLoading) return; // its start would wipe what we show
      this.attached = true;
      this.session.attach(new ExcalidrawScene(this.api));
      if (this.api.getSceneElements().length > 0) this.api.scrollToContent(undefined, { fitToContent: true, animate: false });
    }
    this.session.onCanvasChange();
    this.redraw();
  };

  onPointer = ({ pointer }: { pointer: { x: number; y: number; tool: string } }): void => {
    this.lastPointer = pointer;
    const now = performance.now();
    if (now - this.lastPointerSent < POINTER_INTERVAL_MS) return;
    this.lastPointerSent = now;
    this.session.setPointer({ x: Math.round(pointer.x), y: Math.round(pointer.y), tool: pointer.tool });
  };

  /** The gesture ends after Excalidraw's own handler: write then, not at the next tick of the throttle. */
  onPointerUp = (): void => {
    setTimeout(() => this.session.flush());
  };

  addPhotos(files: readonly File[], at?: Point): void {
    if (files.length > 0) this.uploads.add(files, at ?? this.aim());
  }

  place(asset: Asset, act: "image" | "place_asset", at?: Point): void {
    this.session.gestureStarts();
    placeAsset(this.api, asset, at ?? centre(this.api));
    this.session.flush();
    this.acts.record(act, asset.id);
  }

  /** From the panel: the photo may not lie on the board yet; the result needs it there to stand beside. */
  async run(task: TaskName, assetId: string): Promise<void> {
    const { photo } = this.model.get();
    const there = photo?.assetId === assetId ? photo.elementId : this.find(assetId);
    if (there !== undefined) return this.jobs.run({ task }, [{ assetId, elementId: there }]);
    toast("Place the photo on the board first: the result appears beside it.");
  }

  /** A key that Excalidraw acts on (delete, nudge, paste) starts a step of its own, unless a gesture goes on. */
  keyGesture(): void {
    if (heldIds(this.api.getAppState()).size === 0) this.session.gestureStarts();
  }

  async undo(): Promise<void> {
    this.session.flush();
    try {
      await this.session.undo.undo();
    } catch (error) {
      toastError(error);
    }
  }

  redo(): void {
    this.session.flush();
    this.session.undo.redo();
  }

  /** Where a pasted photo goes: under the pointer, else in the middle. */
  private aim(): Point {
    return this.lastPointer ?? centre(this.api);
  }

  private find(assetId: string): string | undefined {
    return this.api.getSceneElements().find((element) => element.type === "image" && (element.fileId as string) === assetId)?.id;
  }

  /** Once a frame at most: marks over the canvas, pictures that are not here yet, the selection for others. */
  private redraw = (): void => {
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const state = this.api.getAppState();
      const elements = this.api.getSceneElements();
      this.files.ensure(elements.flatMap((element) => (element.type === "image" && element.fileId !== null ? [element.fileId as string] : [])));
      const model = overlayModel(elements, state, this.jobs.live.get(), this.session.others.get(), this.session.document.id);
      const text = JSON.stringify(model);
      if (text !== this.modelText) this.model.set(model);
      this.modelText = text;
      this.acts.settle(heldIds(state));
      this.shareSelection(Object.keys(state.selectedElementIds));
    });
  };

  private shareSelection(selection: string[]): void {
    const text = selection.sort().join(" ");
    if (text === this.selectionText) return;
    this.selectionText = text;
    this.session.setSelection(selection.slice(0, 200));
  }
}

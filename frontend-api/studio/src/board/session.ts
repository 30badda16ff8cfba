/**
 * Hides all that one open board holds: the Yjs document, its copy in this browser, its socket, its binding to the
 * canvas, undo, and when the canvas is written. React follows the stores; it owns none of it.
 */
import { BoardConnection, type Closed, type Document, type Me, type SavedState } from "@atelier/sdk";
import { IndexeddbPersistence } from "y-indexeddb";
import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";
import { undoEdit } from "../app/api";
import { Store } from "../app/store";
import { BoardBinding, type Scene, type SceneElement, type Written } from "./binding";
import { type Other, others } from "./presence";
import { BoardUndo } from "./undo";

const PUSH_INTERVAL_MS = 50;
/** A long stroke is written whole each time: the longer it is, the rarer. */
const LONGEST_INTERVAL_MS = 400;
const OFFLINE_PROBE_MS = 2_500;
const FIRST_VISIT_WAIT_MS = 2_500;
const FRAME_MS = 16;

export function databaseName(document: Document, me: Me): string {
  return `atelier/${document.id}/${me.id}/${document.epoch}`;
}

export interface UndoState {
  canUndo: boolean;
  canRedo: boolean;
}

export class BoardSession {
  readonly doc = new Y.Doc();
  readonly elements = this.doc.getMap<Y.Map<unknown>>("elements");
  readonly awareness = new Awareness(this.doc);
  readonly undo: BoardUndo;
  readonly saved = new Store<SavedState>("offline");
  readonly undoState = new Store<UndoState>({ canUndo: false, canRedo: false });
  readonly closed = new Store<Closed | null>(null);
  readonly others = new Store<readonly Other[]>([]);
  /** The copy in this browser is read (or the server was quicker): the canvas may show. */
  readonly ready: Promise<void>;

  private readonly persistence: IndexeddbPersistence;
  private readonly connection: BoardConnection;
  private binding: BoardBinding | null = null;
  private scene: Scene | null = null;
  private connectionState: SavedState = "offline";
  private pushTimer: ReturnType<typeof setTimeout> | undefined;
  private pulling = false;
  private lastPush = 0;
  private lastPull = 0;
  private destroyed = false;

  constructor(
    readonly document: Document,
    readonly me: Me,
    private readonly onWritten: (written: Written) => void,
  ) {
    this.persistence = new IndexeddbPersistence(databaseName(document, me), this.doc);
    this.undo = new BoardUndo(this.elements, (id) => undoEdit(document.id, id).then(() => undefined), () => this.tellUndo());
    this.awareness.setLocalState({ user: { id: me.id, name: me.name, color: me.colour }, pointer: null, selection: [] });
    this.awareness.on("change", () => this.others.set(others(this.awareness)));
    this.connection = new BoardConnection({
      documentId: document.id,
      doc: this.doc,
      awareness: this.awareness,
      onState: (state) => {
        this.connectionState = state;
        this.tellSaved();
      },
      onClosed: (closed) => void this.end(closed),
    });
    const synced = new Promise<void>((resolve) => this.connection.provider.once("sync", () => resolve()));
    const waited = new Promise<void>((resolve) => setTimeout(resolve, FIRST_VISIT_WAIT_MS));
    // A first visit has no copy yet: better a moment's wait for the server than an empty board that fills up.
    const stored = this.persistence.whenSynced.then(() => (this.elements.size > 0 ? undefined : waited));
    this.ready = Promise.race([stored.catch(() => waited), synced]);
    this.connection.connect();
    window.addEventListener("offline", this.onOffline);
    window.addEventListener("online", this.onOnline);
    window.addEventListener("pagehide", this.flush);
    globalThis.document.addEventListener("visibilitychange", this.flush);
  }

  /** The canvas is there: shows the document on it, and follows both from now on. */
  attach(scene: Scene): void {
    this.scene = scene;
    this.binding = new BoardBinding(this.elements, scene, () => this.pullSoon());
    this.binding.pull();
  }

  /** The canvas changed (or only moved its pointer: cheap then). Writes now, or soon when it wrote a moment ago. */
  onCanvasChange = (): void => {
    if (this.binding === null || this.pushTimer !== undefined || !this.binding.pending) return;
    const wait = this.lastPush + this.interval() - performance.now();
    if (wait <= 0) return this.flush();
    this.pushTimer = setTimeout(this.flush, wait);
    this.tellSaved();
  };

  flush = (): void => {
    clearTimeout(this.pushTimer);
    this.pushTimer = undefined;
    if (this.binding === null) return;
    const written = this.binding.push();
    this.lastPush = performance.now();
    if (written.created.length + written.changed.length + written.removed.length > 0) this.onWritten(written);
    this.tellSaved();
  };

  /** A new gesture starts: what it does is one step of undo. */
  gestureStarts(): void {
    this.flush();
    this.undo.boundary();
  }

  setPointer(pointer: { x: number; y: number; tool: string } | null): void {
    this.awareness.setLocalStateField("pointer", pointer);
  }

  setSelection(selection: readonly string[]): void {
    this.awareness.setLocalStateField("selection", selection);
  }

  destroy(): void {
    if (this.destroyed) return;
    this.flush();
    this.destroyed = true;
    window.removeEventListener("offline", this.onOffline);
    window.removeEventListener("online", this.onOnline);
    window.removeEventListener("pagehide", this.flush);
    globalThis.document.removeEventListener("visibilitychange", this.flush);
    this.binding?.destroy();
    this.undo.destroy();
    this.connection.destroy();
    this.awareness.destroy();
    void this.persistence.destroy();
    this.doc.destroy();
  }

  private interval(): number {
    const held = this.scene?.held() ?? new Set<string>();
    let points = 0;
    for (const element of this.scene?.elements() ?? []) {
      if (held.has(element.id)) points = Math.max(points, pointsOf(element));
    }
    return Math.min(LONGEST_INTERVAL_MS, Math.max(PUSH_INTERVAL_MS, points * 0.8));
  }

  /** Others' changes are shown at once, and under load once a frame however many come; a hidden page has no frames. */
  private pullSoon(): void {
    if (this.pulling) return;
    this.pulling = true;
    const pull = () => {
      this.pulling = false;
      this.lastPull = performance.now();
      if (!this.destroyed) this.binding?.pull();
    };
    if (globalThis.document.hidden) setTimeout(pull, 100);
    else if (performance.now() - this.lastPull > FRAME_MS) queueMicrotask(pull);
    else requestAnimationFrame(pull);
  }

  private tellSaved(): void {
    const waiting = this.pushTimer !== undefined || (this.binding?.pending ?? false);
    this.saved.set(this.connectionState === "saved" && waiting ? "saving" : this.connectionState);
  }

  private tellUndo(): void {
    if (this.undo === undefined) return;
    this.undoState.set({ canUndo: this.undo.canUndo, canRedo: this.undo.canRedo });
  }

  private async end(closed: Closed): Promise<void> {
    this.closed.set(closed);
    const lost = closed.code === 4403 || closed.code === 4404;
    if (lost) await this.persistence.clearData(); // what one may no longer read does not stay on this machine
  }

  /** The system says that there is no network; the server may still be there (on this machine, say): ask it. */
  private onOffline = (): void => {
    fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(OFFLINE_PROBE_MS) }).catch(() => {
      if (!this.destroyed) this.connection.disconnect();
    });
  };

  private onOnline = (): void => {
    if (this.closed.get() === null) this.connection.connect();
  };
}

function pointsOf(element: SceneElement): number {
  return (element as unknown as { points?: readonly unknown[] }).points?.length ?? 0;
}

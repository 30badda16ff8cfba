/**
 * Hides that undo is two things: one's own edits, undone in Yjs, and what the server did on one's behalf (a job's
 * result), undone by the server. Both stand in one order, the latest first.
 */
import * as Y from "yjs";
import { LOCAL } from "./binding";

interface ServerEdit {
  id: string;
  /** How many own steps stood below it when it arrived. */
  depth: number;
}

export class BoardUndo {
  readonly manager: Y.UndoManager;
  private serverEdits: ServerEdit[] = [];
  private readonly seen = new Set<string>();

  constructor(
    elements: Y.Map<Y.Map<unknown>>,
    private readonly undoOnServer: (editId: string) => Promise<void>,
    onChange: () => void,
  ) {
    // One step is one gesture: `boundary` ends it, not the clock.
    this.manager = new Y.UndoManager(elements, { trackedOrigins: new Set([LOCAL]), captureTimeout: Number.MAX_SAFE_INTEGER });
    for (const name of ["stack-item-added", "stack-item-popped", "stack-cleared"] as const) this.manager.on(name, onChange);
    this.onChange = onChange;
  }

  private readonly onChange: () => void;

  get canUndo(): boolean {
    return this.manager.canUndo() || this.serverEdits.length > 0;
  }

  get canRedo(): boolean {
    return this.manager.canRedo();
  }

  /** A new gesture starts: what follows is a step of its own. */
  boundary(): void {
    this.manager.stopCapturing();
  }

  /** The server edited the board on this person's behalf. Idempotent by edit. */
  addServerEdit(id: string): void {
    if (this.seen.has(id)) return;
    this.seen.add(id);
    this.manager.stopCapturing();
    this.serverEdits.push({ id, depth: this.manager.undoStack.length });
    this.onChange();
  }

  /** Undoes the latest step. Returns what it was. Raises what `undoOnServer` raises; the step then stays. */
  async undo(): Promise<"own" | "server" | null> {
    this.manager.stopCapturing();
    const server = this.serverEdits.at(-1);
    if (server !== undefined && server.depth >= this.manager.undoStack.length) {
      this.serverEdits.pop();
      this.onChange();
      try {
        await this.undoOnServer(server.id);
      } catch (error) {
        this.serverEdits.push(server);
        this.onChange();
        throw error;
      }
      return "server";
    }
    return this.manager.undo() === null ? null : "own";
  }

  redo(): void {
    this.manager.stopCapturing();
    this.manager.redo();
  }

  destroy(): void {
    this.manager.destroy();
  }
}

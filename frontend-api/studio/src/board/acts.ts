/** Hides which of a person's doings become usage events: one a finished element, never one a stroke of the pen. */
import type { ToolAct } from "@atelier/sdk";
import { recordAct } from "../app/api";

const TOOLS: Record<string, ToolAct> = { freedraw: "draw", rectangle: "rectangle", arrow: "arrow", text: "text" };

export class Acts {
  private readonly open = new Map<string, ToolAct>();

  constructor(
    private readonly projectId: string,
    private readonly documentId: string,
  ) {}

  /** An element appeared on the canvas by this person's hand; the act counts when the gesture is over. */
  created(id: string, type: string): void {
    const tool = TOOLS[type];
    if (tool !== undefined) this.open.set(id, tool);
  }

  removed(id: string): void {
    this.open.delete(id);
  }

  /** Sends the acts of the elements that no gesture holds any more. */
  settle(held: ReadonlySet<string>): void {
    for (const [id, tool] of this.open) {
      if (held.has(id)) continue;
      this.open.delete(id);
      this.record(tool);
    }
  }

  /** Usage only improves suggestions: a lost one is no trouble to tell of. */
  record(tool: ToolAct, assetId?: string): void {
    recordAct(this.projectId, { tool, document_id: this.documentId, ...(assetId && { asset_id: assetId }) }).catch(() => undefined);
  }
}

/** Hides how awareness states become the other people on a board. */
import type { Awareness } from "y-protocols/awareness";

export interface Pointer {
  x: number;
  y: number;
  tool: string;
}

export interface Other {
  clientId: number;
  id: string;
  name: string;
  colour: string;
  pointer: Pointer | null;
  selection: readonly string[];
}

/** Everyone but this client, whatever a state may hold: others write it, so nothing of it is trusted to be whole. */
export function others(awareness: Awareness): Other[] {
  const found: Other[] = [];
  for (const [clientId, state] of awareness.getStates()) {
    const user = state.user as { id?: unknown; name?: unknown; color?: unknown } | undefined;
    if (clientId === awareness.clientID || typeof user?.id !== "string") continue;
    found.push({
      clientId,
      id: user.id,
      name: typeof user.name === "string" ? user.name : "Someone",
      colour: typeof user.color === "string" && /^#[0-9a-f]{6}$/i.test(user.color) ? user.color : "#767a86",
      pointer: pointerOf(state.pointer),
      selection: Array.isArray(state.selection) ? state.selection.filter((id) => typeof id === "string") : [],
    });
  }
  return found.sort((a, b) => a.clientId - b.clientId);
}

/** One entry a person, however many windows they have open. */
export function people(found: readonly Other[]): Other[] {
  return [...new Map(found.map((other) => [other.id, other])).values()];
}

function pointerOf(value: unknown): Pointer | null {
  const pointer = value as Partial<Pointer> | null | undefined;
  if (typeof pointer?.x !== "number" || typeof pointer.y !== "number") return null;
  if (!Number.isFinite(pointer.x) || !Number.isFinite(pointer.y)) return null;
  return { x: pointer.x, y: pointer.y, tool: String(pointer.tool ?? "pointer") };
}

/** Hides where on the board the studio's own marks stand: selections of others, job chips, the photo's toolbar. */
import type { Job } from "@atelier/sdk";
import { getCommonBounds } from "@excalidraw/excalidraw";
import type { AppState } from "@excalidraw/excalidraw/types";
import type { NonDeletedExcalidrawElement } from "@excalidraw/excalidraw/element/types";
import { isAssetId } from "./files";
import type { Other } from "./presence";

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A photo that lies on the board. */
export interface PlacedPhoto {
  elementId: string;
  assetId: string;
}

export interface OverlayModel {
  /** The only thing that is selected. */
  photo: (PlacedPhoto & Box) | null;
  /** All that are selected, among other things too. */
  photos: PlacedPhoto[];
  /** The toolbar hides while a gesture goes on. */
  quiet: boolean;
  chips: { job: Job; box: Box | null }[];
  selections: { clientId: number; name: string; colour: string; boxes: Box[] }[];
  empty: boolean;
  /** What lies on the board, in words: for those who can't see the canvas. */
  summary: string;
}

export const EMPTY_OVERLAY: OverlayModel = { photo: null, photos: [], quiet: true, chips: [], selections: [], empty: false, summary: "Board" };

export function overlayModel(
  elements: readonly NonDeletedExcalidrawElement[],
  state: AppState,
  jobs: readonly Job[],
  found: readonly Other[],
  documentId: string,
): OverlayModel {
  const byId = new Map(elements.map((element) => [element.id, element]));
  const chosen = Object.keys(state.selectedElementIds).filter((id) => byId.has(id));
  const placed = chosen.flatMap((id) => placedPhoto(byId.get(id)!));
  const photo = chosen.length === 1 && placed[0] !== undefined ? { ...boxOf(byId.get(chosen[0]!)!), ...placed[0] } : null;
  const chips = jobs.map((job) => ({ job, box: job.document_id === documentId ? anchor(job, elements, byId) : null }));
  const selections = found
    .map(({ clientId, name, colour, selection }) => {
      const boxes = selection.flatMap((id) => (byId.has(id) ? [boxOf(byId.get(id)!)] : []));
      return { clientId, name, colour, boxes };
    })
    .filter(({ boxes }) => boxes.length > 0);
  const quiet = state.cursorButton === "down" || state.selectedElementsAreBeingDragged || state.isResizing || state.isRotating;
  const empty = elements.length === 0 && state.newElement === null;
  return { photo, photos: placed, quiet, chips, selections, empty, summary: summaryOf(elements) };
}

const WORDS: Record<string, string> = { freedraw: "drawing", image: "photo" };

/** "Board: 2 arrows, 1 photo". */
function summaryOf(elements: readonly NonDeletedExcalidrawElement[]): string {
  const counts = new Map<string, number>();
  for (const { type } of elements) counts.set(type, (counts.get(type) ?? 0) + 1);
  const parts = [...counts].sort().map(([type, count]) => `${count} ${WORDS[type] ?? type}${count === 1 ? "" : "s"}`);
  return `Board: ${parts.join(", ") || "empty"}`;
}

function placedPhoto(element: NonDeletedExcalidrawElement): PlacedPhoto[] {
  return element.type === "image" && isAssetId(element.fileId) ? [{ elementId: element.id, assetId: element.fileId as string }] : [];
}

function anchor(job: Job, elements: readonly NonDeletedExcalidrawElement[], byId: ReadonlyMap<string, NonDeletedExcalidrawElement>): Box | null {
  const named = job.element_id ? byId.get(job.element_id) : undefined;
  const element = named ?? elements.find((candidate) => candidate.type === "image" && candidate.fileId === (job.input_asset_id as string));
  return element === undefined ? null : boxOf(element);
}

function boxOf(element: NonDeletedExcalidrawElement): Box {
  const [x1, y1, x2, y2] = getCommonBounds([element]);
  return { x: x1, y: y1, width: x2 - x1, height: y2 - y1 };
}

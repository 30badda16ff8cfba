/** Hides Excalidraw behind the `Scene` that the binding knows. */
import { CaptureUpdateAction, mutateElement } from "@excalidraw/excalidraw";
import type { AppState, ExcalidrawImperativeAPI } from "@excalidraw/excalidraw/types";
import type { ExcalidrawElement } from "@excalidraw/excalidraw/element/types";
import type { Scene, SceneElement } from "./binding";

export class ExcalidrawScene implements Scene {
  constructor(private readonly api: ExcalidrawImperativeAPI) {}

  elements(): readonly SceneElement[] {
    return this.api.getSceneElementsIncludingDeleted() as readonly SceneElement[];
  }

  show(elements: readonly SceneElement[]): void {
    this.api.updateScene({
      elements: elements as unknown as readonly ExcalidrawElement[],
      captureUpdate: CaptureUpdateAction.NEVER,
    });
  }

  mutate(element: SceneElement, changes: Record<string, unknown>): void {
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined) delete (element as unknown as Record<string, unknown>)[key]; // mutateElement passes it over
    }
    mutateElement(element as unknown as Mutable, changes as never);
  }

  held(): ReadonlySet<string> {
    return heldIds(this.api.getAppState());
  }

  unborn(element: SceneElement): boolean {
    return isUnborn(element as unknown as ExcalidrawElement);
  }
}

type Mutable = Parameters<typeof mutateElement>[0];

export function heldIds(state: AppState): ReadonlySet<string> {
  const held = new Set<string>();
  for (const element of [state.newElement, state.resizingElement, state.multiElement, state.editingTextElement]) {
    if (element) held.add(element.id);
  }
  if (state.editingLinearElement?.elementId) held.add(state.editingLinearElement.elementId);
  const movesSelection = state.selectedElementsAreBeingDragged || state.isResizing || state.isRotating;
  if (movesSelection) for (const id of Object.keys(state.selectedElementIds)) held.add(id);
  return held;
}

/** A gesture that has made nothing yet: a click without a drag, a text without a letter. */
export function isUnborn(element: ExcalidrawElement): boolean {
  if (element.type === "text") return element.originalText === "" && element.text === "";
  if ("points" in element) return element.points.length < 2;
  return element.width === 0 && element.height === 0;
}

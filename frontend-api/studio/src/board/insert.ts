/** Hides how an asset becomes an image element on the canvas. */
import type { Asset } from "@atelier/sdk";
import { CaptureUpdateAction, convertToExcalidrawElements } from "@excalidraw/excalidraw";
import type { ExcalidrawImperativeAPI } from "@excalidraw/excalidraw/types";

export interface Point {
  x: number;
  y: number;
}

const LARGEST_SIDE = 480;

/** Size on the board: the photo's own shape, no side above 480 units, never enlarged. */
export function displaySize(width: number, height: number): { width: number; height: number } {
  const scale = Math.min(1, LARGEST_SIDE / Math.max(width, height));
  return { width: Math.round(width * scale), height: Math.round(height * scale) };
}

/** The middle of what the person sees, in the board's own units. */
export function centre(api: ExcalidrawImperativeAPI): Point {
  const { width, height, scrollX, scrollY, zoom } = api.getAppState();
  return { x: width / 2 / zoom.value - scrollX, y: height / 2 / zoom.value - scrollY };
}

/** Window coordinates → the board's. */
export function toScene(api: ExcalidrawImperativeAPI, clientX: number, clientY: number): Point {
  const { offsetLeft, offsetTop, scrollX, scrollY, zoom } = api.getAppState();
  return { x: (clientX - offsetLeft) / zoom.value - scrollX, y: (clientY - offsetTop) / zoom.value - scrollY };
}

/** Places the asset with its middle at `at`, selected. Returns the element's id. */
export function placeAsset(api: ExcalidrawImperativeAPI, asset: Asset, at: Point): string {
  const size = displaySize(asset.width, asset.height);
  const [image] = convertToExcalidrawElements([
    { type: "image", fileId: asset.id as never, status: "saved", x: at.x - size.width / 2, y: at.y - size.height / 2, ...size },
  ]);
  if (image === undefined) throw new Error("Excalidraw made no element.");
  api.updateScene({
    elements: [...api.getSceneElementsIncludingDeleted(), { ...image, status: "saved" } as typeof image],
    appState: { selectedElementIds: { [image.id]: true } },
    captureUpdate: CaptureUpdateAction.NEVER,
  });
  api.setActiveTool({ type: "selection" });
  return image.id;
}

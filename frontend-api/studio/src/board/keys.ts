/** Hides the studio's own keys: caught before Excalidraw sees them, left alone while the person types. */
import { useEffect } from "react";
import type { Controller } from "./controller";
import { photosIn } from "./uploads";

interface Actions {
  pick: () => void;
  help: () => void;
  togglePanel: () => void;
  enhance: () => void;
  readOnly: boolean;
}

export function useBoardKeys(controller: Controller | null, { pick, help, togglePanel, enhance, readOnly }: Actions): void {
  useEffect(() => {
    if (controller === null) return;
    const keydown = (event: KeyboardEvent) => {
      if (document.querySelector("dialog[open]") !== null) {
        event.stopImmediatePropagation(); // Excalidraw would take Escape from the dialog
        return;
      }
      if (isTyping(event.target)) return;
      const action = actionOf(event);
      if (action === undefined) {
        if (!MODIFIERS.has(event.key)) controller.keyGesture();
        return;
      }
      event.preventDefault();
      event.stopImmediatePropagation();
      action();
    };
    const actionOf = (event: KeyboardEvent): (() => void) | undefined => {
      const mod = event.ctrlKey || event.metaKey;
      const key = event.key.toLowerCase();
      if (mod && key === ".") return togglePanel;
      if (!mod && event.key === "?") return help;
      if (readOnly) return undefined;
      if (mod && key === "z") return event.shiftKey ? () => controller.redo() : () => void controller.undo();
      if (mod && key === "y") return () => controller.redo();
      if (!mod && !event.altKey && event.key === "9") return pick;
      if (!mod && event.shiftKey && key === "e") return enhance;
      return undefined;
    };
    const paste = (event: ClipboardEvent) => {
      const photos = photosIn(event.clipboardData);
      if (isTyping(event.target) || photos.length === 0) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (!readOnly) controller.addPhotos(photos);
    };
    window.addEventListener("keydown", keydown, { capture: true });
    window.addEventListener("paste", paste, { capture: true });
    return () => {
      window.removeEventListener("keydown", keydown, { capture: true });
      window.removeEventListener("paste", paste, { capture: true });
    };
  }, [controller, pick, help, togglePanel, enhance, readOnly]);
}

const MODIFIERS = new Set(["Control", "Meta", "Shift", "Alt"]);

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName));
}

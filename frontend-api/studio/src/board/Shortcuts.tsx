/** The list of keyboard shortcuts. */
import { Dialog } from "../ui/parts";

const MOD = /mac/i.test(navigator.platform) ? "⌘" : "Ctrl";

const GROUPS: [string, [string, string][]][] = [
  [
    "Draw",
    [
      ["Select", "V"],
      ["Rectangle", "R"],
      ["Ellipse", "O"],
      ["Arrow", "A"],
      ["Line", "L"],
      ["Pen", "P"],
      ["Text", "T"],
      ["Eraser", "E"],
      ["Add a photo", "9"],
    ],
  ],
  [
    "Edit",
    [
      ["Undo my last step", `${MOD} Z`],
      ["Redo", `${MOD} Shift Z`],
      ["Copy, paste", `${MOD} C, ${MOD} V`],
      ["Duplicate", `${MOD} D`],
      ["Delete", "Del"],
      ["Enhance the chosen photos", "Shift E"],
    ],
  ],
  [
    "Look",
    [
      ["Move the board", "Space + drag"],
      ["Zoom in, out", `${MOD} +, ${MOD} −`],
      ["See everything", "Shift 1"],
      ["Side panel", `${MOD} .`],
      ["These shortcuts", "?"],
    ],
  ],
];

export function Shortcuts({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <div className="shortcuts">
        {GROUPS.map(([title, rows]) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {rows.map(([what, keys]) => (
                <div key={what}>
                  <dt>{what}</dt>
                  <dd>
                    <kbd>{keys}</kbd>
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}

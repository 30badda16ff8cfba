/**
 * Hides how an Excalidraw scene and a Yjs document stay one board.
 *
 * Each element is a Y.Map in the Y.Map `elements`, one key a property, so that two people who change different
 * properties of one shape both keep their change. Only what changed is written. Writing and reading never echo: a
 * scene element is compared with `base`, what scene and document last agreed on, never with an event's origin alone.
 *
 * `version`, `versionNonce` and `updated` are Excalidraw's own bookkeeping. They are written once, when an element is
 * created; after that each client counts for itself, which spares more than half of the bytes of a drag.
 */
import * as Y from "yjs";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What the binding needs to know of an Excalidraw element; the rest travels untouched. */
export interface SceneElement {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly versionNonce: number;
  readonly isDeleted: boolean;
  readonly index: string | null;
}

/** The one door to the canvas, so that the binding can be tried without one. */
export interface Scene {
  /** All elements, deleted ones too, as the canvas holds them now. */
  elements(): readonly SceneElement[];
  /** Shows these elements instead; nothing of it may enter the canvas's own history. */
  show(elements: readonly SceneElement[]): void;
  /** Changes an element in place: for one that a gesture holds, whose identity must last. */
  mutate(element: SceneElement, changes: Record<string, unknown>): void;
  /** Ids of the elements that a gesture holds now (drawn, dragged, typed into). */
  held(): ReadonlySet<string>;
  /** True for a new element that is nothing yet (a click without a drag, an empty text): it is not written. */
  unborn(element: SceneElement): boolean;
}

type Entry = Y.Map<unknown>;
type Plain = Record<string, Json>;

/** The origin of what the person did: Y.UndoManager follows it. */
export const LOCAL = Symbol("local");
/** The origin of order keys put right after two people added on top at once: nobody's to undo. */
export const REPAIR = Symbol("repair");

const BOOKKEEPING: ReadonlySet<string> = new Set(["version", "versionNonce", "updated"]);

interface Agreed {
  version: number;
  versionNonce: number;
  base: Plain;
}

export interface Written {
  created: string[];
  changed: string[];
  removed: string[];
}

export class BoardBinding {
  private readonly agreed = new Map<string, Agreed>();
  private readonly dirty = new Set<string>();
  private readonly observer: (events: Y.YEvent<Y.AbstractType<unknown>>[], transaction: Y.Transaction) => void;

  /**
   * @param onRemote called when others (or an undo) changed the document; the owner then calls `pull`, at once or
   *   gathered to the next frame.
   */
  constructor(
    private readonly elements: Y.Map<Entry>,
    private readonly scene: Scene,
    onRemote: () => void,
  ) {
    this.observer = (events, transaction) => {
      if (transaction.origin === LOCAL || transaction.origin === REPAIR) return;
      for (const event of events) for (const id of changedIds(event, this.elements)) this.dirty.add(id);
      if (this.dirty.size > 0) onRemote();
    };
    elements.observeDeep(this.observer);
    for (const id of elements.keys()) this.dirty.add(id);
  }

  destroy(): void {
    this.elements.unobserveDeep(this.observer);
  }

  /** True when the canvas holds something that `push` has not written yet. */
  get pending(): boolean {
    return this.scene.elements().some((element) => this.moved(element));
  }

  /** Canvas → document: writes what the person changed since the last agreement, in one transaction. */
  push(): Written {
    const written: Written = { created: [], changed: [], removed: [] };
    const moved = this.scene.elements().filter((element) => this.moved(element));
    if (moved.length === 0) return written;
    this.doc.transact(() => {
      for (const element of moved) this.write(element, written);
    }, LOCAL);
    return written;
  }

  /** Document → canvas: shows what others changed, keeping what the person has not pushed yet. */
  pull(): void {
    if (this.dirty.size === 0) return;
    const dirty = new Set(this.dirty);
    this.dirty.clear();
    const held = this.scene.held();
    const next: SceneElement[] = [];
    for (const element of this.scene.elements()) {
      if (!dirty.delete(element.id)) next.push(element);
      else next.push(this.merge(element, held.has(element.id)));
    }
    for (const id of dirty) {
      const entry = this.elements.get(id);
      if (entry !== undefined) next.push(this.adopt(id, entry));
    }
    next.sort(byIndex);
    const order = new Map(next.map((element) => [element.id, element.index]));
    this.scene.show(next);
    this.repair(order);
  }

  private get doc(): Y.Doc {
    return this.elements.doc!;
  }

  private moved(element: SceneElement): boolean {
    const agreed = this.agreed.get(element.id);
    if (agreed === undefined) return !element.isDeleted && !this.scene.unborn(element);
    return agreed.version !== element.version || agreed.versionNonce !== element.versionNonce;
  }

  private write(element: SceneElement, written: Written): void {
    const agreed = this.agreed.get(element.id);
    const entry = this.elements.get(element.id);
    if (element.isDeleted) {
      if (entry !== undefined) this.elements.delete(element.id);
      this.agreed.delete(element.id);
      written.removed.push(element.id);
      return;
    }
    const now = plain(element);
    if (entry === undefined || agreed === undefined) {
      this.elements.set(element.id, new Y.Map(Object.entries(now)));
      written.created.push(element.id);
    } else {
      const keys = pendingKeys(agreed.base, now);
      for (const key of keys) setOrDelete(entry, key, now[key]);
      if (keys.length > 0) written.changed.push(element.id);
    }
    this.remember(element, now);
  }

  /** Three-way merge of one element: the document's state, with what the person has not pushed yet laid over it. */
  private merge(element: SceneElement, held: boolean): SceneElement {
    const agreed = this.agreed.get(element.id);
    const entry = this.elements.get(element.id);
    if (entry === undefined) {
      this.agreed.delete(element.id);
      if (element.isDeleted) return element;
      return this.change(element, { isDeleted: true }, held);
    }
    const theirs = entry.toJSON() as Plain;
    const mine = plain(element);
    const pending = agreed === undefined ? [] : pendingKeys(agreed.base, mine);
    const changes: Record<string, unknown> = {};
    for (const key of pendingKeys(mine, theirs)) {
      if (!pending.includes(key)) changes[key] = structuredClone(theirs[key]);
    }
    if (element.isDeleted) changes.isDeleted = pending.includes("isDeleted");
    if (Object.keys(changes).length === 0) {
      if (pending.length === 0) this.remember(element, theirs);
      else this.agreed.set(element.id, { version: -1, versionNonce: -1, base: theirs });
      return element;
    }
    const merged = this.change(element, changes, held);
    if (pending.length === 0) this.remember(merged, theirs);
    else this.agreed.set(element.id, { version: -1, versionNonce: -1, base: theirs });
    return merged;
  }

  private change(element: SceneElement, changes: Record<string, unknown>, held: boolean): SceneElement {
    if (held) {
      this.scene.mutate(element, changes);
      return element;
    }
    const next = { ...element, ...changes, version: element.version + 1, versionNonce: nonce() } as SceneElement;
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined) delete (next as unknown as Record<string, unknown>)[key];
    }
    return next;
  }

  private adopt(id: string, entry: Entry): SceneElement {
    const base = entry.toJSON() as Plain;
    const element = { version: 1, versionNonce: nonce(), ...structuredClone(base), id, isDeleted: false };
    this.remember(element as unknown as SceneElement, base);
    return element as unknown as SceneElement;
  }

  private remember(element: SceneElement, base: Plain): void {
    this.agreed.set(element.id, { version: element.version, versionNonce: element.versionNonce, base });
  }

  /** The canvas gives new order keys to elements whose keys collide, the same on every client: write them once. */
  private repair(shown: ReadonlyMap<string, string | null>): void {
    const repaired = this.scene.elements().filter((element) => {
      return shown.has(element.id) && shown.get(element.id) !== element.index && this.elements.has(element.id);
    });
    if (repaired.length === 0) return;
    this.doc.transact(() => {
      for (const element of repaired) {
        const agreed = this.agreed.get(element.id);
        const entry = this.elements.get(element.id)!;
        if (entry.get("index") !== element.index) entry.set("index", element.index);
        if (agreed === undefined) continue;
        agreed.base = { ...agreed.base, index: element.index };
        if (agreed.version >= 0) this.remember(element, agreed.base);
      }
    }, REPAIR);
  }
}

/** An element as the document holds it: no undefined, no shared references. */
function plain(element: SceneElement): Plain {
  const out: Plain = {};
  for (const [key, value] of Object.entries(element)) {
    if (value === undefined) continue;
    out[key] = (typeof value === "object" && value !== null ? structuredClone(value) : value) as Json;
  }
  return out;
}

/** Keys in which `now` departs from `base`, bookkeeping aside; a key that is gone counts. */
function pendingKeys(base: Plain, now: Plain): string[] {
  const keys = new Set([...Object.keys(base), ...Object.keys(now)]);
  return [...keys].filter((key) => !BOOKKEEPING.has(key) && !equal(base[key], now[key]));
}

function setOrDelete(entry: Entry, key: string, value: Json | undefined): void {
  if (value === undefined) entry.delete(key);
  else entry.set(key, value);
}

function* changedIds(event: Y.YEvent<Y.AbstractType<unknown>>, elements: Y.Map<Entry>): Iterable<string> {
  if (event.target === elements) yield* event.keys.keys();
  else if (typeof event.path[0] === "string") yield event.path[0];
}

/** Excalidraw's own order: by fractional index, ties by id, so that every client breaks them alike. */
export function byIndex(a: SceneElement, b: SceneElement): number {
  const left = a.index ?? "";
  const right = b.index ?? "";
  if (left !== right) return left < right ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

function nonce(): number {
  return Math.floor(Math.random() * 2 ** 31);
}

export function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, i) => equal(item, b[i]));
  }
  const left = Object.entries(a).filter(([, value]) => value !== undefined);
  const right = Object.entries(b).filter(([, value]) => value !== undefined);
  if (left.length !== right.length) return false;
  return left.every(([key, value]) => equal(value, (b as Record<string, unknown>)[key]));
}

/** The laws of the binding, on two real Y.Docs and a canvas of plain objects. */
import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import { BoardBinding, LOCAL, type Scene, type SceneElement, byIndex } from "../src/board/binding";
import { BoardUndo } from "../src/board/undo";

type El = SceneElement & Record<string, unknown>;

/** A canvas that keeps elements as Excalidraw does: mutable objects, a version for each change. */
class Canvas implements Scene {
  list: El[] = [];
  busy = new Set<string>();
  shown = 0;
  elements = () => this.list;
  held = () => this.busy;
  unborn = (element: SceneElement) => (element as El).text === "";
  show(elements: readonly SceneElement[]) {
    this.shown += 1;
    this.list = [...elements] as El[];
  }
  mutate(element: SceneElement, changes: Record<string, unknown>) {
    Object.assign(element, changes, { version: element.version + 1, versionNonce: Math.random() });
  }
  add(id: string, more: Record<string, unknown> = {}) {
    this.list.push({ id, type: "rectangle", x: 0, y: 0, version: 1, versionNonce: 1, isDeleted: false, index: "a0", ...more });
  }
  change(id: string, changes: Record<string, unknown>) {
    this.mutate(this.get(id), changes);
  }
  get(id: string): El {
    return this.list.find((element) => element.id === id)!;
  }
  alive(): Record<string, unknown>[] {
    return this.list
      .filter((element) => !element.isDeleted)
      .sort(byIndex)
      .map(({ version: _v, versionNonce: _n, updated: _u, ...rest }) => rest);
  }
}

class Person {
  doc = new Y.Doc();
  elements = this.doc.getMap<Y.Map<unknown>>("elements");
  canvas = new Canvas();
  binding = new BoardBinding(this.elements, this.canvas, () => undefined);
  undo = new BoardUndo(this.elements, async () => undefined, () => undefined);
}

function pair(): [Person, Person] {
  return [new Person(), new Person()];
}

function sync(...people: Person[]): void {
  for (const from of people) {
    for (const to of people) Y.applyUpdate(to.doc, Y.encodeStateAsUpdate(from.doc, Y.encodeStateVector(to.doc)), "net");
  }
  for (const person of people) person.binding.pull();
}

describe("binding", () => {
  test("what one draws the other sees, whole", () => {
    const [ada, bo] = pair();
    ada.canvas.add("r1", { x: 5, groupIds: ["g"], roundness: { type: 3 } });
    ada.binding.push();
    sync(ada, bo);
    expect(bo.canvas.alive()).toEqual(ada.canvas.alive());
  });

  test("only changed properties are written", () => {
    const [ada] = pair();
    ada.canvas.add("r1", { strokeColor: "red" });
    ada.binding.push();
    const keys: string[] = [];
    ada.elements.observeDeep((events) => events.forEach((event) => keys.push(...event.keys.keys())));
    ada.canvas.change("r1", { x: 9 });
    ada.binding.push();
    expect(keys).toEqual(["x"]);
  });

  test("two people changing different properties of one shape both keep theirs", () => {
    const [ada, bo] = pair();
    ada.canvas.add("r1", { strokeColor: "red" });
    ada.binding.push();
    sync(ada, bo);
    ada.canvas.change("r1", { x: 100 });
    bo.canvas.change("r1", { strokeColor: "blue" });
    ada.binding.push();
    bo.binding.push();
    sync(ada, bo);
    expect(ada.canvas.get("r1")).toMatchObject({ x: 100, strokeColor: "blue" });
    expect(bo.canvas.alive()).toEqual(ada.canvas.alive());
  });

  test("a pull writes nothing back", () => {
    const [ada, bo] = pair();
    ada.canvas.add("r1");
    ada.binding.push();
    sync(ada, bo);
    let updates = 0;
    bo.doc.on("update", () => (updates += 1));
    expect(bo.binding.push()).toEqual({ created: [], changed: [], removed: [] });
    expect(bo.binding.pending).toBe(false);
    expect(updates).toBe(0);
  });

  test("an edit that is not pushed yet survives a remote change of the same shape", () => {
    const [ada, bo] = pair();
    ada.canvas.add("r1", { strokeColor: "red" });
    ada.binding.push();
    sync(ada, bo);
    bo.canvas.change("r1", { x: 50 });
    ada.canvas.change("r1", { strokeColor: "green" });
    ada.binding.push();
    sync(ada, bo);
    expect(bo.canvas.get("r1")).toMatchObject({ x: 50, strokeColor: "green" });
    bo.binding.push();
    sync(ada, bo);
    expect(ada.canvas.get("r1")).toMatchObject({ x: 50, strokeColor: "green" });
  });

  test("a shape that a gesture holds keeps its identity", () => {
    const [ada, bo] = pair();
    ada.canvas.add("r1", { strokeColor: "red" });
    ada.binding.push();
    sync(ada, bo);
    const held = bo.canvas.get("r1");
    bo.canvas.busy.add("r1");
    ada.canvas.change("r1", { strokeColor: "green" });
    ada.binding.push();
    sync(ada, bo);
    expect(bo.canvas.get("r1")).toBe(held);
    expect(held.strokeColor).toBe("green");
    expect(bo.binding.pending).toBe(false);
  });

  test("a removal reaches the other, and moving the removed shape does not bring it back", () => {
    const [ada, bo] = pair();
    ada.canvas.add("r1");
    ada.binding.push();
    sync(ada, bo);
    ada.canvas.change("r1", { isDeleted: true });
    ada.binding.push();
    bo.canvas.change("r1", { x: 3 });
    sync(ada, bo);
    bo.binding.push();
    sync(ada, bo);
    expect(ada.canvas.alive()).toEqual([]);
    expect(bo.canvas.alive()).toEqual([]);
    expect(ada.elements.size).toBe(0);
  });

  test("a key that is gone is gone for the other too", () => {
    const [ada, bo] = pair();
    ada.canvas.add("r1", { customData: { a: 1 } });
    ada.binding.push();
    sync(ada, bo);
    ada.canvas.change("r1", { customData: undefined });
    ada.binding.push();
    sync(ada, bo);
    expect("customData" in bo.canvas.get("r1")).toBe(false);
  });

  test("values given to the canvas are its own: changing them in place does not reach into the document", () => {
    const [ada, bo] = pair();
    ada.canvas.add("l1", { points: [[0, 0]] });
    ada.binding.push();
    sync(ada, bo);
    (bo.canvas.get("l1").points as number[][]).push([1, 1]);
    expect(bo.elements.get("l1")!.get("points")).toEqual([[0, 0]]);
  });

  test("a text that has no letter yet is not written", () => {
    const [ada] = pair();
    ada.canvas.add("t1", { text: "" });
    ada.binding.push();
    expect(ada.elements.size).toBe(0);
    ada.canvas.change("t1", { text: "N" });
    ada.binding.push();
    expect(ada.elements.size).toBe(1);
  });

  test("any interleaving of pushes and syncs converges", () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const random = mulberry(seed);
      const people = [new Person(), new Person(), new Person()];
      for (let step = 0; step < 80; step += 1) {
        const person = people[Math.floor(random() * 3)]!;
        const alive = person.canvas.list.filter((element) => !element.isDeleted);
        const element = alive[Math.floor(random() * alive.length)];
        const dice = random();
        if (dice < 0.25 || element === undefined) person.canvas.add(`e${seed}-${step}`, { index: `a${step % 7}` });
        else if (dice < 0.55) person.canvas.mutate(element, { x: Math.floor(random() * 100) });
        else if (dice < 0.65) person.canvas.mutate(element, { strokeColor: `#${Math.floor(random() * 999)}` });
        else if (dice < 0.72) person.canvas.mutate(element, { isDeleted: true });
        else if (dice < 0.88) person.binding.push();
        else sync(person, people[Math.floor(random() * 3)]!);
      }
      for (const person of people) person.binding.push();
      sync(...people);
      sync(...people);
      expect(people[1]!.canvas.alive()).toEqual(people[0]!.canvas.alive());
      expect(people[2]!.canvas.alive()).toEqual(people[0]!.canvas.alive());
      expect(people.some((person) => person.binding.pending)).toBe(false);
      expect(people[0]!.canvas.alive().length).toBe(people[0]!.elements.size);
    }
  });
});

describe("undo", () => {
  test("undoes one's own and leaves the other's", () => {
    const [ada, bo] = pair();
    ada.canvas.add("r1");
    ada.binding.push();
    sync(ada, bo);
    bo.canvas.add("r2", { index: "a1" });
    bo.binding.push();
    sync(ada, bo);
    void ada.undo.undo();
    sync(ada, bo);
    expect(bo.canvas.alive().map((element) => element.id)).toEqual(["r2"]);
    ada.undo.redo();
    sync(ada, bo);
    expect(bo.canvas.alive().map((element) => element.id)).toEqual(["r1", "r2"]);
    expect(bo.canvas.alive()).toEqual(ada.canvas.alive());
  });

  test("brings back what one removed, whole", () => {
    const [ada, bo] = pair();
    ada.canvas.add("r1", { strokeColor: "red", groupIds: ["g"] });
    ada.binding.push();
    ada.undo.boundary();
    ada.canvas.change("r1", { isDeleted: true });
    ada.binding.push();
    sync(ada, bo);
    void ada.undo.undo();
    sync(ada, bo);
    expect(ada.canvas.alive()).toMatchObject([{ id: "r1", strokeColor: "red", groupIds: ["g"] }]);
    expect(bo.canvas.alive()).toEqual(ada.canvas.alive());
  });

  test("never takes back what another person set since", () => {
    const [ada, bo] = pair();
    ada.canvas.add("r1");
    ada.binding.push();
    sync(ada, bo);
    ada.undo.boundary();
    ada.canvas.change("r1", { x: 10 });
    ada.binding.push();
    sync(ada, bo);
    bo.canvas.change("r1", { x: 20 });
    bo.binding.push();
    sync(ada, bo);
    void ada.undo.undo();
    sync(ada, bo);
    expect(ada.canvas.get("r1").x).toBe(20);
  });

  test("one gesture is one step, however many times it was written", () => {
    const [ada] = pair();
    ada.canvas.add("r1");
    ada.binding.push();
    ada.undo.boundary();
    for (const x of [1, 2, 3]) {
      ada.canvas.change("r1", { x });
      ada.binding.push();
    }
    void ada.undo.undo();
    ada.binding.pull();
    expect(ada.canvas.get("r1").x).toBe(0);
  });

  test("a server edit stands in its place in the order", async () => {
    const asked: string[] = [];
    const ada = new Person();
    const undo = new BoardUndo(ada.elements, async (id) => void asked.push(id), () => undefined);
    ada.canvas.add("r1");
    ada.binding.push();
    undo.addServerEdit("edt_1");
    undo.addServerEdit("edt_1");
    ada.canvas.add("r2", { index: "a1" });
    ada.binding.push();
    expect(await undo.undo()).toBe("own");
    expect(await undo.undo()).toBe("server");
    expect(await undo.undo()).toBe("own");
    expect(await undo.undo()).toBe(null);
    expect(asked).toEqual(["edt_1"]);
  });

  test("a server edit that could not be undone stays on the stack", async () => {
    const ada = new Person();
    const undo = new BoardUndo(ada.elements, () => Promise.reject(new Error("away")), () => undefined);
    undo.addServerEdit("edt_1");
    await expect(undo.undo()).rejects.toThrow("away");
    expect(undo.canUndo).toBe(true);
  });

  test("order keys put right are nobody's step", () => {
    const [ada, bo] = pair();
    ada.canvas.add("r1", { index: "a0" });
    bo.canvas.add("r2", { index: "a0" });
    ada.binding.push();
    bo.binding.push();
    const show = bo.canvas.show.bind(bo.canvas);
    bo.canvas.show = (elements) => {
      show(elements);
      bo.canvas.change("r2", { index: "a0V" });
    };
    sync(ada, bo);
    expect(bo.elements.get("r2")!.get("index")).toBe("a0V");
    expect(bo.undo.manager.undoStack.length).toBe(1);
    expect(bo.binding.pending).toBe(false);
  });
});

test("transactions of the person carry the origin that undo follows", () => {
  const ada = new Person();
  let origin: unknown;
  ada.doc.on("afterTransaction", (transaction: Y.Transaction) => (origin = transaction.origin));
  ada.canvas.add("r1");
  ada.binding.push();
  expect(origin).toBe(LOCAL);
});

function mulberry(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Hides a board's socket: y-websocket, its credential, back-off, close codes, and whether edits are saved. */
import * as decoding from "lib0/decoding";
import type { Awareness } from "y-protocols/awareness";
import { WebsocketProvider } from "y-websocket";
import type * as Y from "yjs";
import { SavedTracker } from "./saved";

export type SavedState = "saved" | "saving" | "offline";

/** The server closed for good. 4401 not signed in, 4403 no access, 4404 unknown, 4409 the document began anew. */
export interface Closed {
  code: number;
  reason: string;
}

export interface BoardConnectionOptions {
  /** `ws://host/collab`; default: the page's own host. */
  url?: string;
  documentId: string;
  doc: Y.Doc;
  awareness?: Awareness;
  /** For programs without a session cookie: fetches a ticket (one use, 60 s) before each connection. */
  ticket?: () => Promise<string>;
  onState: (state: SavedState) => void;
  onClosed: (closed: Closed) => void;
}

const STATUS_FRAME = 8;
const FINAL = new Set([4400, 4401, 4403, 4404, 4409, 4413]);

export class BoardConnection {
  readonly provider: WebsocketProvider;
  private readonly tracker = new SavedTracker(() => this.tell());
  private state: SavedState = "offline";
  private destroyed = false;

  constructor(private readonly options: BoardConnectionOptions) {
    const { documentId, doc, awareness, ticket } = options;
    this.provider = new WebsocketProvider(options.url ?? pageUrl(), documentId, doc, {
      connect: false,
      awareness,
      disableBc: true, // two people may share a browser profile; the server is the one meeting place
      maxBackoffTime: 10_000,
      params: { status: "1" },
      WebSocketPolyfill: countingSocket(this.tracker),
      shouldReconnect: (event: CloseEvent) => !FINAL.has(event.code),
    });
    this.provider.messageHandlers[STATUS_FRAME] = (_encoder, decoder) => {
      this.tracker.onCommitted(decoding.readVarUint(decoder));
    };
    this.provider.on("status", () => this.tell());
    this.provider.on("sync", () => this.tell());
    this.provider.on("closed", (closed: Closed) => options.onClosed(closed));
    if (ticket !== undefined) this.provider.on("connection-close", () => void this.renew());
  }

  get awareness(): Awareness {
    return this.provider.awareness;
  }

  connect(): void {
    if (this.options.ticket === undefined) this.provider.connect();
    else void this.renew();
  }

  /** Gives the socket up until `connect`; presence of others goes, edits stay in the document. */
  disconnect(): void {
    this.provider.disconnect();
  }

  destroy(): void {
    this.destroyed = true;
    this.provider.destroy();
  }

  private async renew(): Promise<void> {
    this.provider.shouldConnect = false; // no retry with a spent ticket
    try {
      this.provider.params = { status: "1", ticket: await this.options.ticket!() };
      if (!this.destroyed) this.provider.connect();
    } catch {
      if (!this.destroyed) setTimeout(() => void this.renew(), 2_000);
    }
  }

  private tell(): void {
    if (this.provider === undefined) return; // the tracker speaks while the provider is being made
    const { wsconnected, synced } = this.provider;
    const next = !wsconnected ? "offline" : synced && this.tracker.saved ? "saved" : "saving";
    if (next === this.state) return;
    this.state = next;
    this.options.onState(next);
  }
}

function countingSocket(tracker: SavedTracker): typeof WebSocket {
  return class extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      tracker.reset();
    }
    override send(data: Parameters<WebSocket["send"]>[0]): void {
      super.send(data);
      if (data instanceof Uint8Array) tracker.onSend(data);
    }
  };
}

function pageUrl(): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/collab`;
}

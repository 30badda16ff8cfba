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
const MAX_BACK_OFF_MS = 10_000;
const RETRY_AFTER = /retry-after-ms=(\d+)/;
const FINAL = new Set([4400, 4401, 4403, 4404, 4409, 4413]);

export class BoardConnection {
  readonly provider: WebsocketProvider;
  private readonly tracker = new SavedTracker(() => this.tell());
  private state: SavedState = "offline";
  private wanted = false; // connected, or about to be

  constructor(private readonly options: BoardConnectionOptions) {
    const { documentId, doc, awareness } = options;
    this.provider = new WebsocketProvider(options.url ?? pageUrl(), documentId, doc, {
      connect: false,
      awareness,
      disableBc: true, // two people may share a browser profile; the server is the one meeting place
      maxBackoffTime: MAX_BACK_OFF_MS,
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
    this.provider.on("connection-close", (event: CloseEvent | null) => void this.comeBack(event));
  }

  get awareness(): Awareness {
    return this.provider.awareness;
  }

  connect(): void {
    this.wanted = true;
    if (this.options.ticket === undefined) this.provider.connect();
    else void this.renew();
  }

  /** Gives the socket up until `connect`; presence of others goes, edits stay in the document. */
  disconnect(): void {
    this.wanted = false;
    this.provider.disconnect();
  }

  destroy(): void {
    this.wanted = false;
    this.provider.destroy();
  }

  /** The provider does, unless it needs a new ticket, or the server said when. */
  private async comeBack(event: CloseEvent | null): Promise<void> {
    if (event !== null && FINAL.has(event.code)) this.wanted = false;
    const { ticket } = this.options;
    const toldMs = Number(RETRY_AFTER.exec(event?.reason ?? "")?.[1] ?? 0);
    if (!this.wanted || (ticket === undefined && toldMs === 0)) return;
    this.provider.shouldConnect = false; // no retry before, nor with a spent ticket
    const backOffMs = Math.min(2 ** (this.provider.wsUnsuccessfulReconnects + 1) * 100, MAX_BACK_OFF_MS);
    await new Promise((resolve) => setTimeout(resolve, ticket === undefined ? toldMs : Math.max(toldMs, backOffMs)));
    if (this.wanted) this.connect();
  }

  private async renew(): Promise<void> {
    try {
      this.provider.params = { status: "1", ticket: await this.options.ticket!() };
      if (this.wanted) this.provider.connect();
    } catch {
      setTimeout(() => this.wanted && void this.renew(), 2_000);
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

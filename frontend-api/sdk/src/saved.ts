/**
 * Hides the arithmetic of *saved*. The server tells on each socket how many of the frames with data that it received
 * there are committed (frame type 8, `?status=1`); saved is when that is as many as were sent.
 */
export class SavedTracker {
  private sent = 0;
  private committed = 0;
  private answeredState = false;

  constructor(private readonly onChange: () => void) {}

  /** A new socket counts from zero. */
  reset(): void {
    this.sent = 0;
    this.committed = 0;
    this.answeredState = false;
    this.onChange();
  }

  /** Looks at an outgoing frame: sync (0) step 2 (1) and update (2) carry data. */
  onSend(frame: Uint8Array): void {
    if (frame[0] !== 0 || (frame[1] !== 1 && frame[1] !== 2)) return;
    this.sent += 1;
    if (frame[1] === 1) this.answeredState = true;
    this.onChange();
  }

  onCommitted(count: number): void {
    this.committed = count;
    this.onChange();
  }

  /** True when the server has all that this client holds: it asked for our state (step 1), got it and committed it. */
  get saved(): boolean {
    return this.answeredState && this.committed >= this.sent;
  }
}

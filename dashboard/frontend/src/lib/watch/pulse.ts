/**
 * When a connection is to be asked whether it still lives, and when it is given up. One that was cut while the laptop slept
 * or the network changed is never told so. What has said nothing for a while is doubted; and it is doubted more where there
 * is reason to: the network went or came, the page is looked at again, the machine has slept.
 */
const QUIET_MS = 10_000;
const TICK_MS = 2_000;
/** A timer that comes so much late has slept. */
const SLEPT_MS = 5_000;

interface Calls {
  /** Nothing was heard for a while. */
  onQuiet: () => void;
  /** Something has happened after which it may be dead, or come to life again. */
  onDoubt: () => void;
  /** What was expected did not come. */
  onSilence: () => void;
}

export class Pulse {
  private ticker: ReturnType<typeof setInterval> | undefined;
  private lastTick = 0;
  private lastHeard = 0;
  /** Until when something is expected; 0 when nothing is. */
  private due = 0;

  constructor(private readonly calls: Calls) {}

  start(): void {
    this.heard();
    this.lastTick = Date.now();
    this.ticker = setInterval(this.tick, TICK_MS);
    for (const name of ["online", "offline"]) window.addEventListener(name, this.doubt);
    for (const name of ["visibilitychange", "resume"]) document.addEventListener(name, this.doubt);
  }

  stop(): void {
    this.due = 0;
    clearInterval(this.ticker);
    for (const name of ["online", "offline"]) window.removeEventListener(name, this.doubt);
    for (const name of ["visibilitychange", "resume"]) document.removeEventListener(name, this.doubt);
  }

  /** Anything at all has come: it lives. */
  heard(): void {
    this.lastHeard = Date.now();
    this.due = 0;
  }

  /** It is to be heard within so long. */
  expect(withinMs: number): void {
    const due = Date.now() + withinMs;
    this.due = this.due ? Math.min(this.due, due) : due;
    setTimeout(this.check, withinMs);
  }

  private doubt = (): void => {
    if (document.visibilityState !== "hidden") this.calls.onDoubt();
  };

  private tick = (): void => {
    const now = Date.now();
    const slept = now - this.lastTick > TICK_MS + SLEPT_MS;
    this.lastTick = now;
    if (slept) {
      this.due = 0; // nothing could come meanwhile
      this.calls.onDoubt();
    } else if (!this.due && now - this.lastHeard > QUIET_MS) this.calls.onQuiet();
  };

  private check = (): void => {
    const late = Date.now() - this.due;
    if (!this.due || late < 0) return;
    this.due = 0;
    if (late > SLEPT_MS) this.calls.onDoubt();
    else this.calls.onSilence();
  };
}

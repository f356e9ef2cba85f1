/**
 * Lines of one source from the pieces of its stream. After a lost connection the server is asked for lines since the
 * last one seen; those of that very instant come again and are dropped.
 */
import { type LogLine, parseLine } from "./line";

export class Splitter {
  private remainder = "";
  private linesAtLast = 0;
  private toSkip = 0;
  /** Time of the newest line seen: what to ask for next. */
  lastTime = "";

  constructor(private readonly source: number) {}

  /** A new connection begins, which repeats the lines of `lastTime`. */
  restart(): void {
    this.remainder = "";
    this.toSkip = this.linesAtLast;
  }

  take(piece: string): LogLine[] {
    const raw = (this.remainder + piece).split("\n");
    this.remainder = raw.pop() ?? "";
    const fresh: LogLine[] = [];
    for (const text of raw) {
      const line = parseLine(text, this.source);
      if (line.time === this.lastTime) {
        if (this.toSkip > 0) {
          this.toSkip -= 1;
          continue;
        }
        this.linesAtLast += 1;
      } else {
        // The server cuts sinceTime to whole seconds: older lines than the last one come again too.
        if (this.toSkip > 0 && line.time < this.lastTime) continue;
        this.lastTime = line.time;
        this.linesAtLast = 1;
        this.toSkip = 0;
      }
      fresh.push(line);
    }
    return fresh;
  }
}

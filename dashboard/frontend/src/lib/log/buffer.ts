/**
 * The lines of a log viewer: the newest so many, merged by time over all sources. Lines have numbers that never change
 * (`first` is the oldest that is still there), except for those behind one that came late: `append` says from where.
 *
 * Kept in chunks, so that dropping the oldest lines costs nothing.
 */
import { type LogLine, sorted } from "./line";

const CHUNK = 8192;
/** A line that came later than so many others is put behind them: sources are never so far apart while following. */
const MOST_MOVED = 100_000;

export class LogBuffer {
  private chunks: LogLine[][] = [];
  /** Number of the first line of the first chunk. */
  private base = 0;
  private oldest = 0;
  private count = 0;

  constructor(private readonly capacity = 1_000_000) {}

  /** Number of the oldest line that is still there: so many have been dropped. */
  get first(): number {
    return this.oldest;
  }

  /** One past the number of the newest line. */
  get end(): number {
    return this.oldest + this.count;
  }

  get length(): number {
    return this.count;
  }

  at(number: number): LogLine | undefined {
    if (number < this.oldest || number >= this.end) return undefined;
    const offset = number - this.base;
    return this.chunks[Math.floor(offset / CHUNK)]?.[offset % CHUNK];
  }

  /** Takes lines in, in order of time. The answer: the number of the first line that is new or has moved. */
  append(lines: LogLine[]): number {
    if (lines.length === 0) return this.end;
    const fresh = sorted(lines);
    const late = this.takeLaterThan((fresh[0] as LogLine).time);
    const from = this.end;
    for (const line of late.length > 0 ? sorted([...late, ...fresh]) : fresh) this.push(line);
    this.trim();
    return Math.max(from, this.oldest);
  }

  clear(): void {
    const end = this.end;
    this.chunks = [];
    this.base = end;
    this.oldest = end;
    this.count = 0;
  }

  *range(from: number, to: number): Generator<LogLine> {
    for (let number = Math.max(from, this.oldest); number < Math.min(to, this.end); number++) {
      yield this.at(number) as LogLine;
    }
  }

  private takeLaterThan(time: string): LogLine[] {
    const taken: LogLine[] = [];
    while (this.count > 0 && taken.length < MOST_MOVED) {
      const last = this.chunks.at(-1) as LogLine[];
      const line = last.at(-1) as LogLine;
      if (line.time <= time) break;
      last.pop();
      if (last.length === 0) this.chunks.pop();
      this.count -= 1;
      taken.push(line);
    }
    return taken.reverse();
  }

  private push(line: LogLine): void {
    const last = this.chunks.at(-1);
    if (last && last.length < CHUNK) last.push(line);
    else {
      if (this.chunks.length === 0) this.base = this.end;
      this.chunks.push([line]);
    }
    this.count += 1;
  }

  private trim(): void {
    if (this.count <= this.capacity) return;
    this.oldest += this.count - this.capacity;
    this.count = this.capacity;
    while (this.oldest - this.base >= CHUNK) {
      this.chunks.shift();
      this.base += CHUNK;
    }
  }
}

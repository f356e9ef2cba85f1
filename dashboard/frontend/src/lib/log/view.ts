/**
 * Which lines of a buffer are shown: all, or the numbers of those that pass. It follows the buffer piece by piece, so
 * that a million lines are looked through without the page standing still.
 */
import type { LogBuffer } from "./buffer";
import type { LogLine } from "./line";

export type Test = (line: LogLine) => boolean;

export class LogView {
  private numbers: number[] = [];
  /** How many of `numbers` are of lines that the buffer has dropped. */
  private gone = 0;
  private seen: number;

  constructor(
    private readonly buffer: LogBuffer,
    private readonly passes: Test | null,
  ) {
    this.seen = buffer.first;
  }

  get length(): number {
    return this.passes ? this.numbers.length - this.gone : this.buffer.length;
  }

  /** Whether lines wait to be looked at. */
  get isBehind(): boolean {
    return this.passes !== null && this.seen < this.buffer.end;
  }

  /** Number of the line at an index of what is shown. */
  number(index: number): number {
    return this.passes ? (this.numbers[this.gone + index] ?? -1) : this.buffer.first + index;
  }

  line(index: number): LogLine | undefined {
    return this.buffer.at(this.number(index));
  }

  /** The index of the first shown line with this number or a later one. */
  indexOf(number: number): number {
    if (!this.passes) return Math.min(Math.max(0, number - this.buffer.first), this.length);
    return this.lowerBound(number) - this.gone;
  }

  /** Lines from this number on have changed: they are looked at again. */
  invalidate(from: number): void {
    if (!this.passes || from >= this.seen) return;
    this.numbers.length = Math.max(this.gone, this.lowerBound(from));
    this.seen = from;
  }

  /** Looks at so many lines. True when there are more to look at. */
  advance(most = 20_000): boolean {
    if (!this.passes) return false;
    const { first, end } = this.buffer;
    this.seen = Math.max(this.seen, first);
    const to = Math.min(end, this.seen + most);
    for (; this.seen < to; this.seen++) {
      if (this.passes(this.buffer.at(this.seen) as LogLine)) this.numbers.push(this.seen);
    }
    while (this.gone < this.numbers.length && (this.numbers[this.gone] as number) < first) this.gone += 1;
    if (this.gone > 50_000) {
      this.numbers = this.numbers.slice(this.gone);
      this.gone = 0;
    }
    return this.seen < end;
  }

  /** The next index, from one on and around, whose line passes; -1 when none does within so many lines. */
  find(test: Test, from: number, step: 1 | -1, most = 1_000_000): number {
    const { length } = this;
    for (let looked = 0; looked < Math.min(length, most); looked++) {
      const index = (((from + step * looked) % length) + length) % length;
      const line = this.line(index);
      if (line && test(line)) return index;
    }
    return -1;
  }

  private lowerBound(number: number): number {
    let low = this.gone;
    let high = this.numbers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.numbers[middle] as number) < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

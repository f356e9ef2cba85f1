/** Finding and filtering: patterns, the ranges to highlight, and spans cut by them. Pure. */
import { type Span, stripAnsi } from "./ansi";

export interface PatternText {
  text: string;
  regex: boolean;
  matchCase: boolean;
}

/** Null when there is nothing to look for, or it is not a regular expression (`isValid` tells). */
export function compile({ text, regex, matchCase }: PatternText): RegExp | null {
  if (!text) return null;
  try {
    return new RegExp(regex ? text : text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), matchCase ? "g" : "gi");
  } catch {
    return null;
  }
}

export function isValid(pattern: PatternText): boolean {
  return !pattern.text || compile(pattern) !== null;
}

/** Of a line as it is read, colours aside. */
export function test(pattern: RegExp, text: string): boolean {
  pattern.lastIndex = 0;
  return pattern.test(stripAnsi(text));
}

/** A line's matches beyond so many are not marked. */
const MOST = 200;

export function ranges(pattern: RegExp, text: string): [number, number][] {
  const found: [number, number][] = [];
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match && found.length < MOST; match = pattern.exec(text)) {
    if (match[0].length === 0) pattern.lastIndex += 1;
    else found.push([match.index, match.index + match[0].length]);
  }
  return found;
}

export interface MarkedSpan extends Span {
  marked: boolean;
}

/** Spans, cut where a match begins or ends. */
export function mark(spans: readonly Span[], pattern: RegExp | null): MarkedSpan[] {
  if (!pattern) return spans.map((span) => ({ ...span, marked: false }));
  const found = ranges(pattern, spans.map(({ text }) => text).join(""));
  const cut: MarkedSpan[] = [];
  let at = 0;
  for (const { text, style } of spans) {
    const end = at + text.length;
    let from = at;
    for (const [start, stop] of found) {
      if (stop <= from || start >= end) continue;
      const begin = Math.max(start, from);
      const close = Math.min(stop, end);
      if (begin > from) cut.push({ text: text.slice(from - at, begin - at), style, marked: false });
      cut.push({ text: text.slice(begin - at, close - at), style, marked: true });
      from = close;
    }
    if (from < end) cut.push({ text: text.slice(from - at), style, marked: false });
    at = end;
  }
  return cut;
}

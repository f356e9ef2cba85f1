/** One line of a log. */
export interface LogLine {
  /** RFC 3339 with nanoseconds, in UTC: so that comparing texts compares times. */
  time: string;
  /** Index of its source (a container of a pod) in the viewer's list. */
  source: number;
  text: string;
}

/** Cuts `2026-01-01T00:00:00.000000000Z words` as the API writes lines with `timestamps=true`. */
export function parseLine(raw: string, source: number): LogLine {
  const cut = raw.indexOf(" ");
  const text = cut < 0 ? "" : raw.slice(cut + 1);
  return {
    time: cut < 0 ? raw : raw.slice(0, cut),
    source,
    text: text.endsWith("\r") ? text.slice(0, -1) : text,
  };
}

const byTime = (a: LogLine, b: LogLine) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0);

/** In order of time; lines of one time stay in the order in which they came. */
export function sorted(lines: LogLine[]): LogLine[] {
  for (let index = 1; index < lines.length; index++) {
    if (byTime(lines[index - 1] as LogLine, lines[index] as LogLine) > 0) return lines.toSorted(byTime);
  }
  return lines;
}

/** Events filtered, in groups of time, and counted over time. Pure. */
import type { Event } from "./kinds/event";
import { messages } from "./messages";

export interface EventFilter {
  text: string;
  kind: string;
  reason: string;
  type: string;
}

export function filtered(events: readonly Event[], { text, kind, reason, type }: EventFilter): Event[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return events.filter((event) => {
    if (type && event.state !== type) return false;
    if (kind && event.wire.involvedObject.kind !== kind) return false;
    if (reason && event.reason !== reason) return false;
    if (words.length === 0) return true;
    const haystack = event.searchText.toLowerCase();
    return words.every((word) => haystack.includes(word));
  });
}

/** What may be chosen, the most frequent first. */
export function choices(events: readonly Event[], of: (event: Event) => string | undefined): string[] {
  const counts = new Map<string, number>();
  for (const event of events) {
    const value = of(event);
    if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts].sort(([a, many], [b, more]) => more - many || (a < b ? -1 : 1)).map(([value]) => value);
}

export interface Group {
  title: string;
  events: Event[];
}

const MINUTE = 60_000;

/** The newest first: the last minutes, the hour, the day, then each day by its date. */
export function grouped(events: readonly Event[], now: number): Group[] {
  const dated = events.map((event) => ({ event, at: Date.parse(event.last) }));
  dated.sort((a, b) => b.at - a.at);
  const groups: Group[] = [];
  for (const { event, at } of dated) {
    const title = titleOf(at, now);
    const last = groups.at(-1);
    if (last?.title === title) last.events.push(event);
    else groups.push({ title, events: [event] });
  }
  return groups;
}

function titleOf(at: number, now: number): string {
  const { timeline } = messages;
  if (now - at < 5 * MINUTE) return timeline.now;
  if (now - at < 60 * MINUTE) return timeline.hour;
  const day = dayOf(at);
  return day === dayOf(now) ? timeline.today : timeline.before(day);
}

function dayOf(at: number): string {
  return new Date(at).toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long" });
}

export interface Bar {
  begin: number;
  warnings: number;
  normal: number;
}

/** How many in each part of the time they span, at least an hour. */
export function bars(events: readonly Event[], now: number, count: number): Bar[] {
  const times = events.map((event) => Date.parse(event.last));
  const begin = Math.min(now - 60 * MINUTE, ...times);
  const width = (now - begin) / count;
  const made = Array.from({ length: count }, (_, at) => ({
    begin: begin + at * width,
    warnings: 0,
    normal: 0,
  }));
  events.forEach((event, index) => {
    const at = Math.min(count - 1, Math.max(0, Math.floor(((times[index] ?? now) - begin) / width)));
    const bar = made[at];
    if (!bar) return;
    if (event.isWarning) bar.warnings += 1;
    else bar.normal += 1;
  });
  return made;
}

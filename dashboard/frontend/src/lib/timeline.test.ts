import { describe, expect, it } from "vitest";
import { Event } from "./kinds/event";
import { bars, choices, filtered, grouped } from "./timeline";

const NOW = Date.parse("2026-11-24T12:00:00Z");
const ago = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString();

function event(
  name: string,
  minutes: number,
  { kind = "Pod", reason = "Started", type = "Normal" } = {},
): Event {
  return new Event({
    apiVersion: "v1",
    kind: "Event",
    metadata: {
      name,
      namespace: "default",
      uid: name,
      resourceVersion: "1",
      creationTimestamp: ago(minutes),
    },
    involvedObject: { kind, name: `${name}-object`, namespace: "default" },
    reason,
    type,
    message: `about ${name}`,
    lastTimestamp: ago(minutes),
  });
}

const EVENTS = [
  event("old", 26 * 60),
  event("fresh", 1, { reason: "BackOff", type: "Warning" }),
  event("hour", 30, { kind: "Deployment", reason: "ScalingReplicaSet" }),
  event("newer", 2),
];
const names = (events: readonly Event[]) => events.map(({ name }) => name);

describe("the timeline of events", () => {
  it.each([
    [{ type: "Warning" }, ["fresh"]],
    [{ kind: "Deployment" }, ["hour"]],
    [{ reason: "Started" }, ["old", "newer"]],
    [{ text: "ABOUT new" }, ["newer"]],
    [{ text: "about", kind: "Pod", type: "Normal" }, ["old", "newer"]],
    [{}, ["old", "fresh", "hour", "newer"]],
  ])("filters by %j", (given, expected) => {
    expect(names(filtered(EVENTS, { text: "", kind: "", reason: "", type: "", ...given }))).toEqual(expected);
  });

  it("groups by time, the newest first", () => {
    const groups = grouped(EVENTS, NOW);
    expect(groups.map(({ events }) => names(events))).toEqual([["fresh", "newer"], ["hour"], ["old"]]);
    expect(groups[2]?.title).toContain("23 November");
  });

  it("offers what there is, the most frequent first", () => {
    expect(choices(EVENTS, ({ reason }) => reason)).toEqual(["Started", "BackOff", "ScalingReplicaSet"]);
  });

  it("counts each event once", () => {
    const made = bars(EVENTS, NOW, 12);
    expect(made).toHaveLength(12);
    expect(made.reduce((sum, { warnings, normal }) => sum + warnings + normal, 0)).toBe(4);
    expect(made.at(-1)).toMatchObject({ warnings: 1, normal: 2 });
    expect(bars([], NOW, 3).map(({ normal }) => normal)).toEqual([0, 0, 0]);
  });
});

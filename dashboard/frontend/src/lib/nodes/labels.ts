/** Labels and taints as lines of text, and the patch that makes a node's so. Pure. */
import { type Taint, taintText } from "../kinds/node";

export function labelLines(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([key, value]) => (value ? `${key}=${value}` : key))
    .join("\n");
}

export function taintLines(taints: readonly Taint[]): string {
  return taints.map(taintText).join("\n");
}

function lines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}

/** The labels, or the line that is none. What a label may be made of is the server's to say. */
export function parseLabels(text: string): Record<string, string> | { bad: string } {
  const labels: [string, string][] = [];
  for (const line of lines(text)) {
    const match = /^([^=\s]+)(?:=(\S*))?$/.exec(line);
    if (!match?.[1]) return { bad: line };
    labels.push([match[1], match[2] ?? ""]);
  }
  return Object.fromEntries(labels);
}

const EFFECTS = "NoSchedule|PreferNoSchedule|NoExecute";

/** Taints that were there before keep the time they were added: NoExecute counts from it. */
export function parseTaints(text: string, before: readonly Taint[]): Taint[] | { bad: string } {
  const held = new Map(before.map((taint) => [taintText(taint), taint]));
  const taints: Taint[] = [];
  for (const line of lines(text)) {
    const match = new RegExp(`^([^=:\\s]+)(?:=([^:\\s]*))?:(${EFFECTS})$`).exec(line);
    if (!match?.[1] || !match[3]) return { bad: line };
    const made = { key: match[1], ...(match[2] && { value: match[2] }), effect: match[3] };
    taints.push(held.get(taintText(made)) ?? made);
  }
  return taints;
}

/** What a merge patch of labels has to say: the changed ones, null for those that are gone. */
export function labelChanges(
  before: Record<string, string>,
  after: Record<string, string>,
): Record<string, string | null> {
  const changes: Record<string, string | null> = {};
  for (const [key, value] of Object.entries(after)) if (before[key] !== value) changes[key] = value;
  for (const key of Object.keys(before)) if (!(key in after)) changes[key] = null;
  return changes;
}

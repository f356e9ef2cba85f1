/** Label selectors, written (`app=web,tier!=db,team,!old`, `env in (a,b)`) and as objects. Pure. */
import type { LabelSelector } from "./wire";

export interface Requirement {
  key: string;
  operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  values: string[];
}

const KEY = "[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?";
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^)]*)\\)$`);
const EQUALS = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*([A-Za-z0-9._-]*)$`);
const EXISTS = new RegExp(`^(!?)\\s*(${KEY})$`);

/** Null when it is no selector. An empty text asks for nothing. */
export function parse(text: string): Requirement[] | null {
  const parts = text.split(/,(?![^(]*\))/).map((part) => part.trim());
  const found: Requirement[] = [];
  for (const part of parts.filter(Boolean)) {
    const requirement = parseOne(part);
    if (!requirement) return null;
    found.push(requirement);
  }
  return found;
}

function parseOne(part: string): Requirement | null {
  const set = SET.exec(part);
  if (set) {
    const values = (set[3] ?? "").split(",").map((value) => value.trim());
    return { key: set[1] ?? "", operator: set[2] === "in" ? "In" : "NotIn", values };
  }
  const equals = EQUALS.exec(part);
  if (equals) {
    return { key: equals[1] ?? "", operator: equals[2] === "!=" ? "NotIn" : "In", values: [equals[3] ?? ""] };
  }
  const exists = EXISTS.exec(part);
  if (!exists) return null;
  return { key: exists[2] ?? "", operator: exists[1] ? "DoesNotExist" : "Exists", values: [] };
}

export function matches(labels: Record<string, string>, requirements: readonly Requirement[]): boolean {
  return requirements.every(({ key, operator, values }) => {
    const value = labels[key];
    if (operator === "Exists") return value !== undefined;
    if (operator === "DoesNotExist") return value === undefined;
    const isIn = value !== undefined && values.includes(value);
    return operator === "In" ? isIn : !isIn;
  });
}

/** As the API's `labelSelector` parameter wants it. */
export function format({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const equals = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  const others = matchExpressions.map(({ key, operator, values = [] }) => {
    if (operator === "Exists") return key;
    if (operator === "DoesNotExist") return `!${key}`;
    return `${key} ${operator.toLowerCase()} (${values.join(",")})`;
  });
  return [...equals, ...others].join(",");
}

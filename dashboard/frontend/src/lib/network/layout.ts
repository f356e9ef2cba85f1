/** Where the boxes of a topology are drawn: in columns where there is room, one below the other where there is not. Pure. */
import type { Box, Group, Link } from "./topology";

export interface Placed {
  box: Box;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Path {
  link: Link;
  /** Of an SVG path. */
  d: string;
}

export interface Layout {
  width: number;
  height: number;
  /** In the order in which the keyboard goes through them. */
  placed: Placed[];
  paths: Path[];
}

export interface Measures {
  width: number;
  /** A box's height when it is so wide. */
  heightOf: (box: Box, width: number) => number;
}

const GAP = 14;
const COLUMNS = 4;
const GUTTER = 56;
const INDENT = 22;
const RAIL = 11;
/** Narrower than this, boxes stand below each other. */
export const NARROW = 720;

export function layout(group: Group, measures: Measures): Layout {
  return measures.width < NARROW ? stacked(group, measures) : inColumns(group, measures);
}

/** From parents to children, each once: who comes from outside first, then as deep as it goes. */
export function order({ boxes, links }: Pick<Group, "boxes" | "links">): Box[] {
  const byId = new Map(boxes.map((box) => [box.id, box]));
  const waiting = new Map<string, number>();
  for (const { to } of links) waiting.set(to, (waiting.get(to) ?? 0) + 1);
  const found: Box[] = [];
  const visit = (box: Box) => {
    found.push(box);
    for (const { from, to } of links) {
      if (from !== box.id) continue;
      const left = (waiting.get(to) ?? 1) - 1;
      waiting.set(to, left);
      const next = byId.get(to);
      if (left === 0 && next) visit(next);
    }
  };
  const roots = boxes.filter(({ id }) => !waiting.get(id));
  for (const root of roots) visit(root);
  return found;
}

function inColumns(group: Group, { width, heightOf }: Measures): Layout {
  const boxWidth = Math.floor((width - GUTTER * (COLUMNS - 1)) / COLUMNS);
  const ordered = order(group);
  const height = new Map(ordered.map((box) => [box.id, heightOf(box, boxWidth)]));
  const children = new Map<string, string[]>();
  const hasParent = new Set<string>();
  // Each hangs below the first that leads to it, so that the picture is a tree with a few more lines.
  const rank = new Map(ordered.map(({ id }, index) => [id, index]));
  const links = [...group.links].sort((a, b) => (rank.get(a.from) ?? 0) - (rank.get(b.from) ?? 0));
  for (const { from, to } of links) {
    if (hasParent.has(to)) continue;
    hasParent.add(to);
    children.set(from, [...(children.get(from) ?? []), to]);
  }
  const beside = besides(ordered, links, children, hasParent);
  const top = new Map<string, number>();
  const stackOf = (id: string) => [id, ...(beside.get(id) ?? [])];
  const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size + GAP, -GAP);
  const own = (id: string) => sum(stackOf(id).map((each) => height.get(each) ?? 0));
  const below = (id: string): number => Math.max(0, sum((children.get(id) ?? []).map(whole)));
  const whole = (id: string): number => Math.max(own(id), below(id));
  const place = (id: string, from: number): void => {
    let next = from + Math.max(0, (below(id) - own(id)) / 2);
    for (const each of stackOf(id)) {
      top.set(each, next);
      next += (height.get(each) ?? 0) + GAP;
    }
    let at = from + Math.max(0, (own(id) - below(id)) / 2);
    for (const child of children.get(id) ?? []) {
      place(child, at);
      at += whole(child) + GAP;
    }
  };
  const attached = new Set([...beside.values()].flat());
  let bottom = 0;
  for (const { id } of ordered) {
    if (hasParent.has(id) || attached.has(id)) continue;
    if (bottom > 0) bottom += GAP;
    place(id, bottom);
    bottom += whole(id);
  }
  const placed = ordered.map((box) => ({
    box,
    x: box.column * (boxWidth + GUTTER),
    y: Math.round(top.get(box.id) ?? 0),
    width: boxWidth,
    height: height.get(box.id) ?? 0,
  }));
  return { width, height: bottom, placed, paths: paths(group.links, placed, curve) };
}

/** Entries that lead only to what another one leads to: they stand below that one, as one block. */
function besides(
  ordered: readonly Box[],
  links: readonly Link[],
  children: ReadonlyMap<string, readonly string[]>,
  hasParent: ReadonlySet<string>,
): Map<string, string[]> {
  const owner = new Map([...children].flatMap(([from, to]) => to.map((child) => [child, from] as const)));
  const columns = new Map(ordered.map(({ id, column }) => [id, column]));
  const found = new Map<string, string[]>();
  for (const { id, column } of ordered) {
    if (hasParent.has(id) || children.has(id)) continue;
    const target = links.find(({ from }) => from === id)?.to;
    const other = target && owner.get(target);
    if (!other || hasParent.has(other) || columns.get(other) !== column) continue;
    found.set(other, [...(found.get(other) ?? []), id]);
  }
  return found;
}

function stacked(group: Group, { width, heightOf }: Measures): Layout {
  let bottom = 0;
  const first = Math.min(...group.boxes.map(({ column }) => column));
  const placed = order(group).map((box) => {
    const x = (box.column - first) * INDENT;
    const height = heightOf(box, width - x);
    const one = { box, x, y: bottom, width: width - x, height };
    bottom += height + GAP;
    return one;
  });
  return { width, height: Math.max(0, bottom - GAP), placed, paths: paths(group.links, placed, elbow) };
}

function paths(
  links: readonly Link[],
  placed: readonly Placed[],
  draw: (from: Placed, to: Placed) => string,
): Path[] {
  const at = new Map(placed.map((one) => [one.box.id, one]));
  return links.flatMap((link) => {
    const [from, to] = [at.get(link.from), at.get(link.to)];
    return from && to ? [{ link, d: draw(from, to) }] : [];
  });
}

function curve(from: Placed, to: Placed): string {
  const [x1, y1] = [from.x + from.width, from.y + from.height / 2];
  const [x2, y2] = [to.x, to.y + to.height / 2];
  const bend = x2 - GUTTER / 2;
  // A link past a column first goes along its own row, above or below what is in between.
  const start = x2 - x1 > GUTTER ? `M${x1},${y1} L${x2 - GUTTER},${y1}` : `M${x1},${y1}`;
  return `${start} C${bend},${y1} ${bend},${y2} ${x2},${y2}`;
}

function elbow(from: Placed, to: Placed): string {
  const x = from.x + RAIL;
  return `M${x},${from.y + from.height} V${to.y + to.height / 2} H${to.x}`;
}

/** Everything that leads to a box or that it leads to. */
export function related(links: readonly Link[], id: string): Set<string> {
  const found = new Set([id]);
  const walk = (at: string, next: (link: Link, at: string) => string | undefined) => {
    for (const link of links) {
      const other = next(link, at);
      if (other === undefined || found.has(other)) continue;
      found.add(other);
      walk(other, next);
    }
  };
  walk(id, (link, at) => (link.from === at ? link.to : undefined));
  walk(id, (link, at) => (link.to === at ? link.from : undefined));
  return found;
}

/** An image's layers as bars: how large each is beside the others, where it comes from. Pure. */
export interface AncestryLayer {
  diffID?: string;
  digest?: string;
  sizeBytes?: number;
  instruction?: string;
  created?: string;
  fromBase?: boolean;
  sharedBy?: { name: string; references: string[] }[];
}

export type Origin = "base" | "shared" | "own";

export interface Bar {
  layer: AncestryLayer;
  origin: Origin;
  /** Of the whole image, 0 to 100. */
  percent: number;
  /** Of the largest layer, 0 to 100. */
  width: number;
}

export function bars(layers: readonly AncestryLayer[]): Bar[] {
  const sizes = layers.map(({ sizeBytes = 0 }) => sizeBytes);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const largest = Math.max(0, ...sizes);
  return layers.map((layer, index) => ({
    layer,
    origin: layer.fromBase ? "base" : layer.sharedBy?.length ? "shared" : "own",
    percent: total > 0 ? (100 * (sizes[index] ?? 0)) / total : 0,
    width: largest > 0 ? (100 * (sizes[index] ?? 0)) / largest : 0,
  }));
}

/** What this image adds to a node that has its base and what it shares. */
export function ownBytes(layers: readonly AncestryLayer[]): number {
  return bars(layers)
    .filter(({ origin }) => origin === "own")
    .reduce((sum, { layer }) => sum + (layer.sizeBytes ?? 0), 0);
}

/** As the Dockerfile had it: builders wrap commands, and mark what makes no layer. */
export function instructionText(written: string): string {
  const text = written.replace(/\s*# buildkit$/, "").trim();
  const nop = /^\/bin\/sh -c #\(nop\)\s*(.*)$/s.exec(text);
  if (nop) return nop[1] ?? "";
  const run = /^(?:\|\d+ (?:\S+=\S*\s+)*)?\/bin\/sh -c (.*)$/s.exec(text.replace(/^RUN\s+/, ""));
  return run ? `RUN ${run[1]}` : text;
}

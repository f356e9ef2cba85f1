/**
 * A tar archive of files in the browser, never in memory: its parts are headers and slices of the files, so that any
 * stretch of it can be made again after a break. The same files are the same bytes. Pure but for `Blob`.
 */
export interface Entry {
  /** Relative, with `/` between its parts; a directory's ends with `/`. */
  path: string;
  /** Absent for a directory. */
  content?: Blob;
}

const BLOCK = 512;
const NAME_BYTES = 100;
const encoder = new TextEncoder();

export class Tar {
  private readonly parts: { start: number; data: Blob }[] = [];
  readonly size: number;

  constructor(entries: readonly Entry[]) {
    let at = 0;
    const add = (data: Blob) => {
      if (data.size > 0) this.parts.push({ start: at, data });
      at += data.size;
    };
    for (const { path, content } of entries) {
      add(new Blob([header(path, content?.size ?? 0, content ? "0" : "5") as BlobPart]));
      if (!content) continue;
      add(content);
      add(new Blob([new Uint8Array(padding(content.size))]));
    }
    add(new Blob([new Uint8Array(2 * BLOCK)]));
    this.size = at;
  }

  /** The bytes from `start` on, before `end`. Reads nothing: whoever sends the Blob does. */
  slice(start: number, end: number): Blob {
    const within = this.parts.filter((part) => part.start < end && part.start + part.data.size > start);
    return new Blob(
      within.map(({ start: from, data }) => data.slice(Math.max(0, start - from), Math.max(0, end - from))),
    );
  }
}

/** Files with the directories they are in, in order. */
export function withDirectories(files: readonly Required<Entry>[]): Entry[] {
  const directories = new Set<string>();
  for (const { path } of files) {
    const parts = path.split("/");
    for (let depth = 1; depth < parts.length; depth++) directories.add(`${parts.slice(0, depth).join("/")}/`);
  }
  const all: Entry[] = [...[...directories].map((path) => ({ path })), ...files];
  return all.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/** One entry's header; with a PAX header in front where name or size do not fit. */
export function header(path: string, size: number, type: "0" | "5"): Uint8Array {
  const name = encoder.encode(path);
  if (name.length <= NAME_BYTES && size < 8 ** 11) return block(name, size, type);
  const pax = paxRecords({ path, size: String(size) });
  const padded = new Uint8Array(pax.length + padding(pax.length));
  padded.set(pax);
  return joined(
    block(encoder.encode("pax"), pax.length, "x"),
    padded,
    block(name.subarray(0, NAME_BYTES), size < 8 ** 11 ? size : 0, type),
  );
}

/** The browser does not tell modes: everything may be run, as in contexts that Docker packs on Windows. */
function block(name: Uint8Array, size: number, type: string): Uint8Array {
  const out = new Uint8Array(BLOCK);
  const write = (offset: number, text: string) => out.set(encoder.encode(text), offset);
  out.set(name, 0);
  write(100, "0000755\0");
  write(108, "0000000\0");
  write(116, "0000000\0");
  write(124, `${size.toString(8).padStart(11, "0")}\0`);
  write(136, "00000000000\0");
  write(148, "        ");
  write(156, type);
  write(257, "ustar\0");
  write(263, "00");
  const sum = out.reduce((total, byte) => total + byte, 0);
  write(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return out;
}

/** `27 path=some/very/long/name\n`: the number counts the whole line, itself included. */
function paxRecords(values: Record<string, string>): Uint8Array {
  return joined(
    ...Object.entries(values).map(([key, value]) => {
      const rest = encoder.encode(` ${key}=${value}\n`);
      let length = rest.length + 1;
      while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
      return joined(encoder.encode(String(length)), rest);
    }),
  );
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

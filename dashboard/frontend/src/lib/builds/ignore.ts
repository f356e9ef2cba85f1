/**
 * `.dockerignore`, as Docker reads it. Pure. Patterns are Go's `filepath.Match` with `**` for any number of directories;
 * `!` takes something in again; the last that matches decides. One that matches a directory matches all in it.
 */
interface Pattern {
  expression: RegExp;
  includes: boolean;
}

export class Ignore {
  private readonly patterns: readonly Pattern[];

  constructor(text: string) {
    this.patterns = text.split(/\r?\n/).flatMap((line) => pattern(line) ?? []);
  }

  /** `path` is relative, with `/` between its parts. */
  excludes(path: string): boolean {
    const parts = path.split("/");
    const ways = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
    return this.patterns.reduce(
      (excluded, { expression, includes }) =>
        ways.some((way) => expression.test(way)) ? !includes : excluded,
      false,
    );
  }
}

function pattern(line: string): Pattern | null {
  const text = line.replace(/^\uFEFF/, "").trim();
  if (!text || text.startsWith("#")) return null;
  const includes = text.startsWith("!");
  const path = normalised(includes ? text.slice(1).trim() : text);
  return path ? { expression: new RegExp(`^(?:${expression(path)})$`, "su"), includes } : null;
}

function normalised(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}

function expression(path: string): string {
  let out = "";
  let at = 0;
  while (at < path.length) {
    const letter = path[at] ?? "";
    if (path.startsWith("**", at)) {
      at += 2;
      if (path[at] === "/") {
        at += 1;
        out += "(?:.*/)?";
      } else out += ".*";
      continue;
    }
    at += 1;
    if (letter === "*") out += "[^/]*";
    else if (letter === "?") out += "[^/]";
    else if (letter === "[") {
      const [taken, next] = characterClass(path, at);
      out += taken;
      at = next;
    } else if (letter === "\\" && at < path.length) {
      out += escaped(path[at] ?? "");
      at += 1;
    } else out += escaped(letter);
  }
  return out;
}

/** `[a-z]`, `[^a]`; a bracket that does not close is a letter. */
function characterClass(path: string, start: number): [string, number] {
  const end = path.indexOf("]", start + 1);
  if (end < 0) return ["\\[", start];
  const inner = path.slice(start, end).replace(/[\\[&~|]/g, "\\$&");
  return [`[${inner}]`, end + 1];
}

function escaped(letter: string): string {
  return letter.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
}

/**
 * Where a cursor stands in a YAML text that is still being written: the path of keys above it, by indentation, which
 * also holds where the text cannot be parsed. Pure.
 */

export interface Place {
  apiVersion: string;
  kind: string;
  /** Field names down to the map that the cursor is in; null for an entry of a list. */
  path: (string | null)[];
  /** The field whose value is being written; null where a field's name is. */
  field: string | null;
  /** What has been written of the name or the value. */
  word: string;
}

type Token = { indent: number; key: string | null };

/** `  - name: x` is an entry at 2 and the key `name` at 4. */
function tokens(line: string): Token[] {
  const found: Token[] = [];
  let indent = line.length - line.trimStart().length;
  let rest = line.slice(indent);
  for (let dash = /^-(\s+|$)/.exec(rest); dash; dash = /^-(\s+|$)/.exec(rest)) {
    found.push({ indent, key: null });
    indent += dash[0].length;
    rest = rest.slice(dash[0].length);
  }
  const key = /^(?:"([^"]*)"|'([^']*)'|([^\s#:"'[{][^:#]*?))\s*:(\s|$)/.exec(rest);
  if (key) found.push({ indent, key: key[1] ?? key[2] ?? key[3] ?? "" });
  return found;
}

export function placeAt(text: string, position: number): Place {
  const before = text.slice(0, position);
  const start = Math.max(0, before.search(/^---[^\n]*\n(?![\s\S]*^---[^\n]*\n)/m));
  const after = text.slice(position).search(/^---/m);
  const document = text.slice(start, after < 0 ? undefined : position + after);
  const lines = before.slice(start).split("\n");
  const current = lines.pop() ?? "";
  const own = tokens(current);
  const last = own.at(-1);
  const isValue = last !== undefined && last.key !== null;
  const word = (/[^\s:]*$/.exec(current)?.[0] ?? "").replace(/^-$/, "");
  const inner = isValue ? own.slice(0, -1) : own;
  const column = isValue ? last.indent : current.length - word.length;
  return {
    apiVersion: /^apiVersion:\s*["']?([^\s"'#]+)/m.exec(document)?.[1] ?? "",
    kind: /^kind:\s*["']?([^\s"'#]+)/m.exec(document)?.[1] ?? "",
    path: pathAbove(lines, inner, column),
    field: isValue ? last.key : null,
    word,
  };
}

function pathAbove(lines: readonly string[], inner: readonly Token[], column: number): (string | null)[] {
  const path: (string | null)[] = [];
  // A key's parent stands further left; an entry's list may begin below a key at the same column.
  let limit = column;
  let needsKey = false;
  const take = (token: Token) => {
    if (needsKey ? token.key === null || token.indent > limit : token.indent >= limit) return;
    path.unshift(token.key);
    limit = token.indent;
    needsKey = token.key === null;
  };
  for (const token of [...inner].reverse()) take(token);
  for (let index = lines.length - 1; index >= 0 && (limit > 0 || needsKey); index--) {
    const line = lines[index] ?? "";
    if (/^\s*(#|$)/.test(line)) continue;
    for (const token of tokens(line).reverse()) take(token);
  }
  return path;
}

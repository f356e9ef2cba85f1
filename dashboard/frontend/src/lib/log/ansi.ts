/**
 * Colours in what programs print (ECMA-48 SGR) as spans of plain text with a style. Everything else that starts with
 * ESC is dropped. The result is text and class names: it can never become markup.
 */
export interface Style {
  /** A palette's number (0–15), or a colour. */
  colour?: number | string;
  background?: number | string;
  bold?: boolean;
  dim?: boolean;
  italic?: boolean;
  underline?: boolean;
  inverse?: boolean;
}

export interface Span {
  text: string;
  style: Style;
}

// CSI … final byte; OSC … BEL or ST; other two-byte escapes; control characters but tab.
// eslint-disable-next-line no-control-regex
const ESCAPES =
  /\x1b\[([0-9:;<=>?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b-\x1f\x7f]/g;

// eslint-disable-next-line no-control-regex
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f]/;

const PLAIN: Style = {};

export function parseAnsi(text: string): Span[] {
  if (!hasEscapes(text)) return [{ text, style: PLAIN }];
  const spans: Span[] = [];
  let style = PLAIN;
  let from = 0;
  for (const match of text.matchAll(ESCAPES)) {
    if (match.index > from) spans.push({ text: text.slice(from, match.index), style });
    from = match.index + match[0].length;
    if (match[2] === "m") style = applied(style, match[1] ?? "");
  }
  if (from < text.length || spans.length === 0) spans.push({ text: text.slice(from), style });
  return spans;
}

export function stripAnsi(text: string): string {
  return hasEscapes(text) ? text.replace(ESCAPES, "") : text;
}

/** Asked of a million lines in a search: a pattern is quicker than a look at each letter. */
function hasEscapes(text: string): boolean {
  return CONTROLS.test(text);
}

function applied(before: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/).map((word) => Number(word || 0));
  let style: Style = { ...before };
  for (let index = 0; index < codes.length; index++) {
    const code = codes[index] as number;
    if (code === 0) style = {};
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes, index + 1);
      index += used;
      if (colour !== undefined) style[code === 38 ? "colour" : "background"] = colour;
    } else set(style, code);
  }
  return style;
}

function set(style: Style, code: number): void {
  if (code === 1) style.bold = true;
  else if (code === 2) style.dim = true;
  else if (code === 3) style.italic = true;
  else if (code === 4) style.underline = true;
  else if (code === 7) style.inverse = true;
  else if (code === 22) {
    delete style.bold;
    delete style.dim;
  } else if (code === 23) delete style.italic;
  else if (code === 24) delete style.underline;
  else if (code === 27) delete style.inverse;
  else if (code === 39) delete style.colour;
  else if (code === 49) delete style.background;
  else if (code >= 30 && code <= 37) style.colour = code - 30;
  else if (code >= 90 && code <= 97) style.colour = code - 82;
  else if (code >= 40 && code <= 47) style.background = code - 40;
  else if (code >= 100 && code <= 107) style.background = code - 92;
}

/** `5;n` or `2;r;g;b` after 38 and 48: the colour, and how many codes it took. */
function extended(codes: number[], at: number): [number | string | undefined, number] {
  const [kind, a = 0, b = 0, c = 0] = codes
    .slice(at, at + 4)
    .map((code) => Math.min(255, Math.max(0, code || 0)));
  if (kind === 2) return [`rgb(${a} ${b} ${c})`, 4];
  if (kind === 5) return [a < 16 ? a : cube(a), 2];
  return [undefined, codes.length];
}

/** The 6×6×6 cube and the greys of 256-colour terminals. */
function cube(code: number): string {
  if (code >= 232) {
    const grey = 8 + (code - 232) * 10;
    return `rgb(${grey} ${grey} ${grey})`;
  }
  const level = (step: number) => (step === 0 ? 0 : 55 + step * 40);
  const index = code - 16;
  return `rgb(${level(Math.floor(index / 36))} ${level(Math.floor(index / 6) % 6)} ${level(index % 6)})`;
}

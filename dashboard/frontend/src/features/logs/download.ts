import { stripAnsi } from "../../lib/log/ansi";
import type { LogSource } from "../../lib/log/stream";
import type { LogView } from "../../lib/log/view";

/** What is shown, as a text file: time, source, text without colours. In pieces: it may be a million lines. */
export function download(view: LogView, sources: readonly LogSource[], fileName: string): void {
  const pieces: string[] = [];
  let piece: string[] = [];
  for (let index = 0; index < view.length; index++) {
    const line = view.line(index);
    if (!line) continue;
    const source = sources[line.source];
    piece.push(`${line.time} ${source ? `${source.pod}/${source.container}` : ""} ${stripAnsi(line.text)}\n`);
    if (piece.length === 10_000) {
      pieces.push(piece.join(""));
      piece = [];
    }
  }
  pieces.push(piece.join(""));
  const address = URL.createObjectURL(new Blob(pieces, { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `${fileName}.log`;
  link.click();
  URL.revokeObjectURL(address);
}

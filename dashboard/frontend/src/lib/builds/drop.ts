/** A folder that was dropped on the page, with all that is in it. */
import type { Folder } from "./context";

/** What browsers give for a dropped thing (`webkitGetAsEntry`), as far as it is needed. */
export interface Entry {
  name: string;
  isFile: boolean;
  isDirectory: boolean;
  file?: (done: (file: File) => void, failed: (error: Error) => void) => void;
  createReader?: () => {
    readEntries: (done: (entries: Entry[]) => void, failed: (error: Error) => void) => void;
  };
}

/** Must be asked for while the drop is handled: the browser forgets it then. */
export function entriesOf(transfer: DataTransfer): Entry[] {
  return [...transfer.items].flatMap((item) => {
    const entry = item.webkitGetAsEntry() as Entry | null;
    return entry ? [entry] : [];
  });
}

/** One folder is the context itself; several things are its content. Null: nothing that could be read. */
export async function foldersOf(entries: readonly Entry[]): Promise<Folder | null> {
  const [only, ...more] = entries;
  if (!only) return null;
  const isFolder = only.isDirectory && more.length === 0;
  const found = isFolder
    ? await below(only, "")
    : (await Promise.all(entries.map((one) => read(one, "")))).flat();
  return found.length > 0 ? { name: only.name, files: new Map(found) } : null;
}

async function read(entry: Entry, path: string): Promise<[string, File][]> {
  if (entry.isDirectory) return below(entry, `${path}${entry.name}/`);
  if (!entry.file) return [];
  const file = await new Promise<File>((done, failed) => entry.file?.(done, failed));
  return [[path + entry.name, file]];
}

async function below(directory: Entry, path: string): Promise<[string, File][]> {
  const reader = directory.createReader?.();
  const found: [string, File][] = [];
  for (;;) {
    // Chromium tells a hundred at a time, and none at the end.
    const some = await new Promise<Entry[]>((done, failed) =>
      reader ? reader.readEntries(done, failed) : done([]),
    );
    if (some.length === 0) return found;
    for (const entry of some) found.push(...(await read(entry, path)));
  }
}

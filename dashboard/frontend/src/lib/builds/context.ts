/** What of a chosen folder is sent: everything but what its `.dockerignore` leaves out. */
import { Ignore } from "./ignore";
import { Tar, withDirectories } from "./tar";

export interface Folder {
  name: string;
  /** By path below the folder. */
  files: ReadonlyMap<string, File>;
}

export interface Context {
  tar: Tar;
  sent: number;
  ignored: number;
  bytes: number;
  /** The Dockerfile is among the files. */
  hasDockerfile: boolean;
}

/** From an `<input webkitdirectory>`: the first part of each path is the folder itself. */
export function folderOf(files: readonly File[]): Folder | null {
  const first = files[0];
  if (!first) return null;
  const below = (file: File) =>
    (file.webkitRelativePath || file.name).split("/").slice(1).join("/") || file.name;
  return {
    name: first.webkitRelativePath.split("/")[0] || first.name,
    files: new Map(files.map((file) => [below(file), file])),
  };
}

/** `<Dockerfile>.dockerignore` goes first, as with Docker. The Dockerfile itself goes along in any case. */
export async function contextOf({ files }: Folder, dockerfile: string): Promise<Context> {
  const rules = files.get(`${dockerfile}.dockerignore`) ?? files.get(".dockerignore");
  const ignore = new Ignore(rules ? await rules.text() : "");
  const kept = [...files]
    .filter(([path]) => path === dockerfile || path === ".dockerignore" || !ignore.excludes(path))
    .map(([path, content]) => ({ path, content }));
  return {
    tar: new Tar(withDirectories(kept)),
    sent: kept.length,
    ignored: files.size - kept.length,
    bytes: kept.reduce((sum, { content }) => sum + content.size, 0),
    hasDockerfile: files.has(dockerfile),
  };
}

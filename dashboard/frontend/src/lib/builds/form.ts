/** From what was typed to a Build. Pure. */
import type { BuildSpec } from "../kinds/build";

export interface Typed {
  source: "dockerfile" | "folder";
  name: string;
  tags: string;
  dockerfile: string;
  dockerfilePath: string;
  args: string;
  target: string;
  useCache: boolean;
}

/** `NAME=value`, one a line; the first line that is none as it stands. */
export function parseArgs(text: string): { args: { name: string; value: string }[]; bad: string } {
  const lines = text.split("\n").filter((line) => line.trim());
  const bad = lines.find((line) => !/^\s*[A-Za-z_][A-Za-z0-9_]*=/.test(line)) ?? "";
  const args = bad
    ? []
    : lines.map((line) => {
        const at = line.indexOf("=");
        return { name: line.slice(0, at).trim(), value: line.slice(at + 1) };
      });
  return { args, bad };
}

export function buildOf(typed: Typed, namespace: string) {
  const { args } = parseArgs(typed.args);
  const spec: BuildSpec = {
    tags: typed.tags.split(/\s+/).filter(Boolean),
    ...(typed.source === "dockerfile" ? { dockerfile: typed.dockerfile } : { context: { upload: true } }),
    ...(typed.source === "folder" &&
      typed.dockerfilePath !== "Dockerfile" && { dockerfilePath: typed.dockerfilePath }),
    ...(args.length > 0 && { args }),
    ...(typed.target && { target: typed.target }),
    ...(!typed.useCache && { cache: false }),
  };
  return { apiVersion: "slipway.dev/v1", kind: "Build", metadata: { name: typed.name, namespace }, spec };
}

/** `hello-3`: a name that no build has yet. */
export function freeName(base: string, taken: ReadonlySet<string>): string {
  let number = 1;
  while (taken.has(`${base}-${number}`)) number += 1;
  return `${base}-${number}`;
}

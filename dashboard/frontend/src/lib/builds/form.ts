/** From what was typed to a Build, and which control a field of it is. Pure. */
import { number } from "../create/objects";
import type { BuildSpec } from "../kinds/build";

export const SOURCES = ["dockerfile", "folder", "git"] as const;
export type Source = (typeof SOURCES)[number];

export interface SecretRow {
  id: string;
  secret: string;
  /** Empty: it is called like the id. */
  key: string;
}

export interface ArgRow {
  name: string;
  value: string;
}

export interface Typed {
  source: Source;
  name: string;
  tags: string[];
  dockerfile: string;
  dockerfilePath: string;
  url: string;
  ref: string;
  subdirectory: string;
  gitSecret: string;
  args: ArgRow[];
  secrets: SecretRow[];
  logins: string[];
  target: string;
  useCache: boolean;
  push: boolean;
  timeoutSeconds: string;
  cpu: string;
  memory: string;
  keepSeconds: string;
}

export const EMPTY: Typed = {
  source: "dockerfile",
  name: "",
  tags: [],
  dockerfile: "",
  dockerfilePath: "Dockerfile",
  url: "",
  ref: "",
  subdirectory: "",
  gitSecret: "",
  args: [],
  secrets: [],
  logins: [],
  target: "",
  useCache: true,
  push: true,
  timeoutSeconds: "",
  cpu: "",
  memory: "",
  keepSeconds: "",
};

export function buildOf(typed: Typed, namespace: string) {
  const limits = given({ cpu: typed.cpu, memory: typed.memory });
  const spec: BuildSpec = {
    tags: typed.tags,
    ...contextOf(typed),
    ...(typed.args.length > 0 && { args: typed.args }),
    ...(typed.secrets.length > 0 && {
      secrets: typed.secrets.map(({ id, secret, key }) => ({ id, secretName: secret, ...given({ key }) })),
    }),
    ...(typed.logins.length > 0 && { imagePullSecrets: typed.logins.map((name) => ({ name })) }),
    ...given({ target: typed.target }),
    ...(!typed.useCache && { cache: false }),
    ...(!typed.push && { push: false }),
    ...(Object.keys(limits).length > 0 && { resources: { limits } }),
    ...counted("timeoutSeconds", typed.timeoutSeconds),
    ...counted("ttlSecondsAfterFinished", typed.keepSeconds),
  };
  return { apiVersion: "slipway.dev/v1", kind: "Build", metadata: { name: typed.name, namespace }, spec };
}

function contextOf(typed: Typed): Partial<BuildSpec> {
  if (typed.source === "dockerfile") return { dockerfile: typed.dockerfile };
  const { url, ref, subdirectory, gitSecret: secretName, dockerfilePath } = typed;
  return {
    context:
      typed.source === "git"
        ? { git: { url, ...given({ ref, subdirectory, secretName }) } }
        : { upload: true },
    ...(dockerfilePath !== "Dockerfile" && given({ dockerfilePath })),
  };
}

function given(fields: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
}

function counted(name: string, text: string): object {
  return text.trim() ? { [name]: number(text) } : {};
}

/** By what a field begins with. */
const CONTROLS: readonly [string, string][] = [
  ["metadata.name", "name"],
  ["spec.tags", "tags"],
  ["spec.context.git.ref", "ref"],
  ["spec.context.git.subdirectory", "subdirectory"],
  ["spec.context.git.secretName", "gitSecret"],
  ["spec.context", "url"],
  ["spec.dockerfilePath", "dockerfilePath"],
  ["spec.dockerfile", "dockerfile"],
  ["spec.target", "target"],
  ["spec.imagePullSecrets", "logins"],
  ["spec.timeoutSeconds", "timeoutSeconds"],
  ["spec.ttlSecondsAfterFinished", "keepSeconds"],
  ["spec.push", "push"],
];

/** `tags`, `args.1.name`. Empty where none is about it. */
export function controlOf(field: string): string {
  const row = /^spec\.(args|secrets)\[(\d+)\]\.?(\w*)/.exec(field);
  if (row)
    return `${row[1]}.${row[2]}.${row[3] === "secretName" ? "secret" : row[3] || firstOf(row[1] ?? "")}`;
  const amount = /^spec\.resources\S*(cpu|memory)/.exec(field);
  if (amount) return amount[1] ?? "";
  return CONTROLS.find(([start]) => field.startsWith(start))?.[1] ?? "";
}

function firstOf(list: string): string {
  return list === "args" ? "name" : "id";
}

/** `hello-3`: a name that no build has yet. */
export function freeName(base: string, taken: ReadonlySet<string>): string {
  let number = 1;
  while (taken.has(`${base}-${number}`)) number += 1;
  return `${base}-${number}`;
}

/** What a build is called by itself: its folder, its repository, or `app`. */
export function baseName(source: Source, folder: string, url: string): string {
  const last =
    source === "folder" ? folder : source === "git" ? (url.replace(/\/+$/, "").split("/").at(-1) ?? "") : "";
  return (
    last
      .replace(/\.git$/, "")
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, "-")
      .replace(/^-+|-+$/g, "") || "app"
  );
}

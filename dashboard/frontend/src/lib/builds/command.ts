/** The command that builds the same. Pure. */
import * as paths from "../api/paths";
import { type Command, quote } from "../commands";
import { print } from "../create/documents";
import { Build } from "../kinds/build";
import { buildOf, type Typed } from "./form";

export function commandOf(typed: Typed, namespace: string): Command {
  const body = buildOf(typed, namespace);
  const kubectl =
    typed.source === "dockerfile"
      ? `kubectl create -f - <<'EOF'\n${print(body)}EOF`
      : ["manage.py build", ...words(typed), "-n", quote(namespace)].join(" ");
  const path = paths.collection(Build.info, namespace);
  return { kubectl, curl: { path, method: "POST", contentType: "application/json", body } };
}

function words(typed: Typed): string[] {
  const flag = (name: string, value: string) => (value ? [name, quote(value)] : []);
  const where =
    typed.source === "git"
      ? ["--git", quote(repositoryOf(typed)), ...flag("--git-secret", typed.gitSecret)]
      : ["."];
  return [
    ...where,
    ...typed.tags.flatMap((tag) => flag("-t", tag)),
    ...flag("-f", typed.dockerfilePath === "Dockerfile" ? "" : typed.dockerfilePath),
    ...flag("--target", typed.target),
    ...typed.args.flatMap(({ name, value }) => flag("--build-arg", `${name}=${value}`)),
    ...typed.secrets.flatMap(({ id, secret, key }) =>
      flag("--secret", `id=${id},name=${secret}${key ? `,key=${key}` : ""}`),
    ),
    ...typed.logins.flatMap((name) => flag("--pull-secret", name)),
    ...flag("--cpu", typed.cpu),
    ...flag("--memory", typed.memory),
    ...flag("--timeout", typed.timeoutSeconds),
    ...(typed.useCache ? [] : ["--no-cache"]),
    ...(typed.push ? [] : ["--no-push"]),
  ];
}

/** `URL[#REF[:DIRECTORY]]` */
function repositoryOf({ url, ref, subdirectory }: Typed): string {
  return url + (ref || subdirectory ? `#${ref}` : "") + (subdirectory ? `:${subdirectory}` : "");
}

import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { ApiError, Unreachable } from "../api/errors";
import { commandOf } from "./command";
import { contextOf } from "./context";
import { foldersOf, type Entry } from "./drop";
import { baseName, buildOf, controlOf, EMPTY, freeName, type Typed } from "./form";
import { Ignore } from "./ignore";
import { header, Tar, withDirectories } from "./tar";
import { type Send, upload } from "./upload";

describe("what .dockerignore leaves out", () => {
  test.each([
    ["node_modules", "node_modules/a/b.js", true],
    ["node_modules", "src/node_modules/b.js", false],
    ["**/node_modules", "src/node_modules/b.js", true],
    ["*.md\n!README.md", "README.md", false],
    ["*.md\n!README.md", "NOTES.md", true],
    ["*.md", "docs/a.md", false],
    ["docs/**/*.md", "docs/deep/er/a.md", true],
    ["/build/", "build/x", true],
    ["# comment\n\n  tmp  ", "tmp", true],
    ["a?c", "abc", true],
    ["a?c", "a/c", false],
    ["file[0-9]", "file7", true],
    ["file[0-9]", "filex", false],
    ["./x/../y", "y/z", true],
    ["a.b", "axb", false],
    ["[unclosed", "[unclosed", true],
    ["dir\n!dir/keep", "dir/keep", false],
    ["größe", "größe/ä", true],
  ])("%j and %s: %s", (text, path, expected) => {
    expect(new Ignore(text).excludes(path)).toBe(expected);
  });
});

describe("the archive", () => {
  const long = `${"d".repeat(60)}/${"é".repeat(60)}`;
  const entries = withDirectories([
    { path: "b/c.txt", content: new Blob(["hello"]) },
    { path: "a", content: new Blob([new Uint8Array(1024).fill(7)]) },
    { path: long, content: new Blob(["long"]) },
  ]);
  const tar = new Tar(entries);

  test("names directories before what is in them", () => {
    expect(entries.map(({ path }) => path)).toEqual(["a", "b/", "b/c.txt", `${"d".repeat(60)}/`, long]);
  });

  test("is what tar itself can read", async () => {
    const bytes = new Uint8Array(await tar.slice(0, tar.size).arrayBuffer());
    expect(bytes.length).toBe(tar.size);
    const run = (...words: string[]) =>
      execFileSync("tar", words, { input: bytes, env: { LC_ALL: "C.UTF-8" } }).toString();
    expect(run("--quoting-style=literal", "-tf", "-").trim().split("\n")).toEqual(
      entries.map(({ path }) => path),
    );
    expect(run("-xOf", "-", "b/c.txt")).toBe("hello");
  });

  test("is the same in pieces, wherever they are cut", async () => {
    const whole = new Uint8Array(await tar.slice(0, tar.size).arrayBuffer());
    for (const size of [1, 511, 700, 4096]) {
      const pieces: Blob[] = [];
      for (let at = 0; at < tar.size; at += size) pieces.push(tar.slice(at, Math.min(tar.size, at + size)));
      expect(new Uint8Array(await new Blob(pieces).arrayBuffer())).toEqual(whole);
    }
  }, 60_000);

  test("says how large a file beyond 8 GiB is", () => {
    const text = new TextDecoder().decode(header("big", 9 * 1024 ** 3, "0"));
    expect(text).toContain(`size=${9 * 1024 ** 3}\n`);
  });
});

describe("a folder", () => {
  const file = (text: string) => new File([text], "x");
  test("keeps its Dockerfile even where that is ignored", async () => {
    const files = new Map([
      ["Dockerfile", file("FROM x")],
      [".dockerignore", file("*\n!src")],
      ["src/a", file("a")],
      ["b", file("b")],
    ]);
    const context = await contextOf({ name: "f", files }, "Dockerfile");
    expect([context.sent, context.ignored, context.hasDockerfile]).toEqual([3, 1, true]);
  });
});

describe("what is dropped", () => {
  const file = (path: string): Entry => ({
    name: path.split("/").at(-1) ?? "",
    isFile: true,
    isDirectory: false,
    file: (done: (file: File) => void) => done(new File([path], path)),
  });
  /** As browsers do it: some of the entries at a time, then none. */
  const directory = (name: string, ...entries: Entry[]): Entry => ({
    name,
    isFile: false,
    isDirectory: true,
    createReader: () => {
      const left = [...entries];
      return { readEntries: (done: (some: Entry[]) => void) => done(left.splice(0, 1)) };
    },
  });

  test("is read with all that is in it", async () => {
    const shop = directory("shop", file("Dockerfile"), directory("src", file("a"), file("b")));
    const folder = await foldersOf([shop]);
    expect(folder?.name).toBe("shop");
    expect([...(folder?.files.keys() ?? [])]).toEqual(["Dockerfile", "src/a", "src/b"]);
  });

  test("may be single files", async () => {
    const folder = await foldersOf([file("Dockerfile"), file("a")]);
    expect([...(folder?.files.keys() ?? [])]).toEqual(["Dockerfile", "a"]);
    expect(await foldersOf([])).toBeNull();
  });
});

describe("an upload", () => {
  const tar = new Tar([{ path: "f", content: new Blob([new Uint8Array(10 * 1024 * 1024)]) }]);
  const build = { namespace: "default", name: "b" };

  test("goes on where the server is after a break", async () => {
    const ranges: string[] = [];
    let received = 0;
    let breaks = 1;
    const send = (async (
      _path: string,
      options: { method?: string; headers?: Record<string, string> } = {},
    ) => {
      if (options.method !== "PUT") return { received, complete: false };
      const range = options.headers?.["Content-Range"] ?? "";
      ranges.push(range);
      const [, start = 0, end = 0] = /(\d+)-(\d+)/.exec(range)?.map(Number) ?? [];
      if (start > 0 && breaks-- > 0) {
        received = start + 1000; // a part of the piece came
        throw new Unreachable(null);
      }
      received = end + 1;
      return { received, complete: received === tar.size };
    }) as Send;
    const seen: boolean[] = [];
    const signal = new AbortController().signal;
    await upload(build, tar, signal, ({ waiting }) => seen.push(waiting), { send, sleep: async () => {} });
    expect(received).toBe(tar.size);
    expect(ranges[2]).toMatch(new RegExp(`^bytes ${4 * 1024 * 1024 + 1000}-`));
    expect(seen).toContain(true);
  });

  test("ends where the server will never take it", async () => {
    const send = (async () => {
      throw new ApiError(413, "too large");
    }) as Send;
    const run = upload(build, tar, new AbortController().signal, () => {}, { send, sleep: async () => {} });
    await expect(run).rejects.toThrow("too large");
  });
});

describe("the form", () => {
  const typed = { ...EMPTY, name: "x-1", tags: ["a:1", "b:2"], dockerfile: "FROM a" };

  test("makes a Build of what was typed, without what was left out", () => {
    expect(buildOf(typed, "default").spec).toEqual({ tags: ["a:1", "b:2"], dockerfile: "FROM a" });
    expect(buildOf({ ...typed, source: "folder", useCache: false }, "default").spec).toEqual({
      tags: ["a:1", "b:2"],
      context: { upload: true },
      cache: false,
    });
  });

  test("says where the files are and what may be used", () => {
    const full: Typed = {
      ...typed,
      source: "git",
      url: "https://example.com/shop.git",
      ref: "v1",
      gitSecret: "git",
      dockerfilePath: "docker/Dockerfile",
      args: [{ name: "MODE", value: "" }],
      secrets: [{ id: "npm", secret: "tokens", key: "" }],
      logins: ["hub"],
      push: false,
      timeoutSeconds: "60",
      memory: "1Gi",
    };
    expect(buildOf(full, "default").spec).toEqual({
      tags: ["a:1", "b:2"],
      context: { git: { url: "https://example.com/shop.git", ref: "v1", secretName: "git" } },
      dockerfilePath: "docker/Dockerfile",
      args: [{ name: "MODE", value: "" }],
      secrets: [{ id: "npm", secretName: "tokens" }],
      imagePullSecrets: [{ name: "hub" }],
      push: false,
      resources: { limits: { memory: "1Gi" } },
      timeoutSeconds: 60,
    });
  });

  test("is a command, too", () => {
    const git = {
      ...typed,
      source: "git" as const,
      url: "https://e.org/a.git",
      subdirectory: "web",
      push: false,
    };
    const args = [{ name: "A", value: "b c" }];
    expect(commandOf({ ...git, args }, "shop").kubectl).toBe(
      "manage.py build --git 'https://e.org/a.git#:web' -t a:1 -t b:2 --build-arg 'A=b c' --no-push -n shop",
    );
    expect(commandOf(typed, "shop").kubectl).toContain(
      "kubectl create -f - <<'EOF'\napiVersion: slipway.dev/v1\n",
    );
  });

  test.each([
    ["metadata.name", "name"],
    ["spec.tags[1]", "tags"],
    ["spec.dockerfile", "dockerfile"],
    ["spec.context.git.url", "url"],
    ["spec.context.git.secretName", "gitSecret"],
    ["spec.args[1].name", "args.1.name"],
    ["spec.secrets[0].secretName", "secrets.0.secret"],
    ["spec.resources.limits[memory]", "memory"],
    ["spec.nodeSelector", ""],
  ])("shows what is wrong with %s at %j", (field, control) => {
    expect(controlOf(field)).toBe(control);
  });

  test.each([
    ["folder", "My Shop", "", "my-shop"],
    ["git", "", "https://example.com/team/shop.git/", "shop"],
    ["dockerfile", "ignored", "", "app"],
  ] as const)("calls a build from a %s after it", (source, folder, url, name) => {
    expect(baseName(source, folder, url)).toBe(name);
  });

  test("finds a name that is free", () => {
    expect(freeName("app", new Set(["app-1", "app-2"]))).toBe("app-3");
  });
});

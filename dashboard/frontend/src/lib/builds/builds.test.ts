import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { ApiError, Unreachable } from "../api/errors";
import { contextOf } from "./context";
import { buildOf, freeName, parseArgs } from "./form";
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
  });

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
  test.each([
    [
      "A=1\n\nB=x=y",
      [
        { name: "A", value: "1" },
        { name: "B", value: "x=y" },
      ],
      "",
    ],
    ["A=1\nnonsense", [], "nonsense"],
    ["1A=2", [], "1A=2"],
    ["", [], ""],
  ])("reads arguments %j", (text, args, bad) => {
    expect(parseArgs(text)).toEqual({ args, bad });
  });

  test("makes a Build of what was typed, without what was left out", () => {
    const typed = {
      name: "x-1",
      tags: "a:1\nb:2 ",
      dockerfile: "FROM a",
      dockerfilePath: "Dockerfile",
      args: "",
      target: "",
      useCache: true,
    };
    expect(buildOf({ ...typed, source: "dockerfile" }, "default").spec).toEqual({
      tags: ["a:1", "b:2"],
      dockerfile: "FROM a",
    });
    expect(buildOf({ ...typed, source: "folder", useCache: false }, "default").spec).toEqual({
      tags: ["a:1", "b:2"],
      context: { upload: true },
      cache: false,
    });
  });

  test("finds a name that is free", () => {
    expect(freeName("app", new Set(["app-1", "app-2"]))).toBe("app-3");
  });
});

import { describe, expect, it } from "vitest";
import { parseAnsi, stripAnsi } from "./ansi";
import { LogBuffer } from "./buffer";
import type { LogLine } from "./line";
import { compile, isValid, mark, test as passes } from "./search";
import { Splitter } from "./splitter";
import { LogView } from "./view";

const stamp = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, "0")}.000000000Z`;
const line = (second: number, text: string, source = 0): LogLine => ({ time: stamp(second), source, text });
const texts = (buffer: LogBuffer) => [...buffer.range(buffer.first, buffer.end)].map(({ text }) => text);
const many = (from: number, count: number): LogLine[] =>
  Array.from({ length: count }, (_, index) => ({
    time: String(from + index).padStart(9, "0"),
    source: 0,
    text: `n${from + index}`,
  }));

describe("splitting a stream", () => {
  it("makes lines of pieces, wherever they are cut", () => {
    const splitter = new Splitter(3);
    expect(splitter.take(`${stamp(1)} one\n${stamp(2)} t`)).toEqual([line(1, "one", 3)]);
    expect(splitter.take("wo\r\n")).toEqual([line(2, "two", 3)]);
  });

  it("keeps blanks and empty lines", () => {
    const splitter = new Splitter(0);
    expect(splitter.take(`${stamp(1)}  a b \n${stamp(2)} \n`).map(({ text }) => text)).toEqual([" a b ", ""]);
  });

  it("drops what a new connection repeats, and nothing else", () => {
    const splitter = new Splitter(0);
    splitter.take(`${stamp(1)} a\n${stamp(2)} b\n${stamp(2)} c\n`);
    splitter.restart();
    const again = splitter.take(
      `${stamp(1)} a\n${stamp(2)} b\n${stamp(2)} c\n${stamp(2)} d\n${stamp(3)} e\n`,
    );
    expect(again.map(({ text }) => text)).toEqual(["d", "e"]);
  });
});

describe("the buffer", () => {
  it("merges sources by time, also when one comes late", () => {
    const buffer = new LogBuffer();
    buffer.append([line(1, "a1"), line(4, "a4")]);
    const changedFrom = buffer.append([line(2, "b2", 1), line(5, "b5", 1), line(3, "c3", 2)]);
    expect(texts(buffer)).toEqual(["a1", "b2", "c3", "a4", "b5"]);
    expect(changedFrom).toBe(1);
  });

  it("keeps the newest lines, with numbers that stay", () => {
    const buffer = new LogBuffer(20_000);
    for (let from = 0; from < 100_000; from += 7000) buffer.append(many(from, 7000));
    expect(buffer.length).toBe(20_000);
    expect(buffer.end).toBe(105_000);
    expect(buffer.at(buffer.first)?.text).toBe(`n${buffer.first}`);
    expect(buffer.at(104_999)?.text).toBe("n104999");
    expect(buffer.at(buffer.first - 1)).toBeUndefined();
  });

  it("goes on after it was cleared", () => {
    const buffer = new LogBuffer();
    buffer.append(many(0, 10));
    buffer.clear();
    buffer.append(many(10, 2));
    expect(texts(buffer)).toEqual(["n10", "n11"]);
  });
});

describe("the view", () => {
  const odd = ({ text }: LogLine) => Number(text.slice(1)) % 2 === 1;

  it("shows everything without a filter", () => {
    const buffer = new LogBuffer(5);
    buffer.append(many(0, 8));
    const view = new LogView(buffer, null);
    expect([view.length, view.line(0)?.text, view.isBehind]).toEqual([5, "n3", false]);
  });

  it("filters piece by piece, and forgets what the buffer drops", () => {
    const buffer = new LogBuffer(100);
    const view = new LogView(buffer, odd);
    buffer.append(many(0, 100));
    expect(view.advance(30)).toBe(true);
    expect(view.length).toBe(15);
    while (view.advance(30));
    expect(view.length).toBe(50);
    buffer.append(many(100, 50));
    while (view.advance());
    expect([view.length, view.line(0)?.text, view.line(49)?.text]).toEqual([50, "n51", "n149"]);
  });

  it("looks again at lines that have moved", () => {
    const buffer = new LogBuffer();
    const view = new LogView(buffer, ({ text }) => text.startsWith("x"));
    buffer.append([line(1, "x1"), line(5, "x5")]);
    view.advance();
    view.invalidate(buffer.append([line(3, "y3"), line(4, "x4")]));
    view.advance();
    expect([0, 1, 2].map((index) => view.line(index)?.text)).toEqual(["x1", "x4", "x5"]);
  });

  it("finds forwards, backwards and around the end", () => {
    const buffer = new LogBuffer();
    buffer.append(many(0, 10));
    const view = new LogView(buffer, null);
    const is =
      (wanted: string) =>
      ({ text }: LogLine) =>
        text === wanted;
    expect(view.find(is("n2"), 5, 1)).toBe(2);
    expect(view.find(is("n7"), 5, -1)).toBe(7);
    expect(view.find(is("nothing"), 0, 1)).toBe(-1);
  });

  it("holds a million lines and filters them", () => {
    const buffer = new LogBuffer(1_000_000);
    for (let from = 0; from < 1_100_000; from += 10_000) buffer.append(many(from, 10_000));
    const view = new LogView(buffer, odd);
    while (view.advance());
    expect([buffer.length, view.length]).toEqual([1_000_000, 500_000]);
  }, 60_000);
});

describe("colours", () => {
  it("become spans", () => {
    expect(parseAnsi("a\x1b[1;31mb\x1b[0mc")).toEqual([
      { text: "a", style: {} },
      { text: "b", style: { bold: true, colour: 1 } },
      { text: "c", style: {} },
    ]);
    expect(parseAnsi("\x1b[38;5;196mr\x1b[48;2;1;2;999mb").map(({ style }) => style)).toEqual([
      { colour: "rgb(255 0 0)" },
      { colour: "rgb(255 0 0)", background: "rgb(1 2 255)" },
    ]);
  });

  it.each([
    ["\x1b]0;title\x07text", "text"],
    ["\x1b[2Ktext\x1b[?25h", "text"],
    ["a\x1b", "a"],
    ["a\x1b[", "a"],
    ["tab\tstays", "tab\tstays"],
    ["\x00\x07b", "b"],
    ["<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"],
  ])("%j is read as %j", (raw, plain) => {
    expect(stripAnsi(raw)).toBe(plain);
    expect(
      parseAnsi(raw)
        .map(({ text }) => text)
        .join(""),
    ).toBe(plain);
  });

  it("carry no free text into a style", () => {
    const styles = parseAnsi("\x1b[38;2;url(x);1;1mz\x1b[38;9;1mz").map(({ style }) => style);
    expect(JSON.stringify(styles)).not.toContain("url");
  });
});

describe("searching", () => {
  const pattern = (text: string, regex = false, matchCase = false) => ({ text, regex, matchCase });

  it("takes a text as it is, or as a regular expression", () => {
    expect(compile(pattern("a.b"))?.test("axb")).toBe(false);
    expect(compile(pattern("a.b", true))?.test("axb")).toBe(true);
    expect(compile(pattern("A", false, true))?.test("a")).toBe(false);
    expect(isValid(pattern("(", true))).toBe(false);
    expect(isValid(pattern("("))).toBe(true);
  });

  it("looks through colours", () => {
    const found = compile(pattern("accepted")) as RegExp;
    expect(passes(found, "order \x1b[1macc\x1b[0mepted")).toBe(true);
    const spans = mark(parseAnsi("order \x1b[1macc\x1b[0mepted!"), found);
    expect(spans.map(({ text, marked }) => (marked ? `[${text}]` : text))).toEqual([
      "order ",
      "[acc]",
      "[epted]",
      "!",
    ]);
  });

  it("ends also for patterns that match nothing", () => {
    const empty = compile(pattern("x*", true)) as RegExp;
    expect(mark([{ text: "abc", style: {} }], empty).map(({ text }) => text)).toEqual(["abc"]);
  });
});

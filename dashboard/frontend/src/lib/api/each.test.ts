import { expect, it } from "vitest";
import { each } from "./each";
import { ApiError } from "./errors";

const say = (failed: number, all: number) => `${failed} of ${all}`;
const refuse = async (name: string) => {
  if (name.startsWith("bad")) throw new Error(`${name} may not`);
};

it("tries all of them, a few at a time, and tells those that failed", async () => {
  let now = 0;
  let most = 0;
  const tried: string[] = [];
  const act = async (name: string) => {
    most = Math.max(most, ++now);
    await Promise.resolve();
    tried.push(name);
    now -= 1;
    await refuse(name);
  };
  const names = ["a", "bad1", ...Array.from({ length: 20 }, (_, index) => `n${index}`), "bad2"];
  const failure = await each(names, String, act, say).catch((error: unknown) => error as ApiError);
  expect(tried.sort()).toEqual([...names].sort());
  expect(most).toBeLessThan(10);
  expect(failure).toBeInstanceOf(ApiError);
  expect((failure as ApiError).message).toBe("2 of 23");
  expect((failure as ApiError).causes.map(({ field }) => field).sort()).toEqual(["bad1", "bad2"]);
});

it("leaves the failure of a single one as it is", async () => {
  await expect(each(["bad"], String, refuse, say)).rejects.toThrow("bad may not");
  await expect(each(["good"], String, refuse, say)).resolves.toBeUndefined();
});

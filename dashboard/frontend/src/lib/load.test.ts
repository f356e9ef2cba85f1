import { expect, it } from "vitest";
import { persistently } from "./load";

function failing(times: number) {
  let asked = 0;
  return () => (++asked > times ? Promise.resolve(asked) : Promise.reject(new Error(`no ${asked}`)));
}

it("asks again, more and more slowly", async () => {
  const waits: number[] = [];
  const wait = async (ms: number) => void waits.push(ms);
  expect(await persistently(failing(3), wait)).toBe(4);
  expect(waits).toEqual([250, 500, 1000]);
});

it("gives up with the last refusal", async () => {
  await expect(persistently(failing(100), async () => {})).rejects.toThrow("no 7");
});

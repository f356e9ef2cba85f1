/** The same for many objects, some at a time. */
import { ApiError } from "./errors";

const AT_ONCE = 6;

/**
 * One: its own failure. Several: all are tried, and those that fail are told together, each with its name in place of a field.
 * `onDone` is called for each that worked.
 */
export async function each<T>(
  items: readonly T[],
  nameOf: (item: T) => string,
  act: (item: T) => Promise<unknown>,
  say: (failed: number, all: number) => string,
): Promise<void> {
  const [only] = items;
  if (only !== undefined && items.length === 1) {
    await act(only);
    return;
  }
  const waiting = [...items];
  const failures: { field: string; message: string }[] = [];
  const work = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      const name = nameOf(item);
      await act(item).catch((error: unknown) =>
        failures.push({ field: name, message: (error as Error).message }),
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, work));
  if (failures.length === 0) return;
  const message = say(failures.length, items.length);
  throw new ApiError(0, message, { kind: "Status", message, details: { causes: failures } });
}

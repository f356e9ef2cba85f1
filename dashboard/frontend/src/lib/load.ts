/** Loading what the network or a restarting control plane refused the first time. Pure but for its clock. */

const TRIES = 7;
const FIRST_DELAY_MS = 250;

/** The first answer, after at most 16 s of refusals. */
export async function persistently<T>(load: () => Promise<T>, wait = pause): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await load();
    } catch (error) {
      if (tries === TRIES) throw error;
      await wait(FIRST_DELAY_MS * 2 ** (tries - 1));
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

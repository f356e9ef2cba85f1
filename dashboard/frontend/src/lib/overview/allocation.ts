/** What pods have been promised and may take. Pure. */
import type { Pod } from "../kinds/pod";

export interface Promised {
  requested: number;
  /** The limits of those pods that have one. */
  limited: number;
  /** Pods without: they may take what there is. */
  unlimited: number;
}

/** Of pods that have not ended. */
export function promised(pods: readonly Pod[], resource: string): Promised {
  const result = { requested: 0, limited: 0, unlimited: 0 };
  for (const pod of pods) {
    if (pod.isFinished) continue;
    const limit = pod.limited(resource);
    result.requested += pod.requested(resource);
    result.limited += limit;
    if (limit === 0) result.unlimited += 1;
  }
  return result;
}

/** Which workloads are rolled out when a ConfigMap or Secret changes (docs/rollouts.md). Pure. */
import { usesOf } from "./kinds/uses";
import type { Workload } from "./kinds/workload";

/** Of the workload or, where that has none, of its namespace. */
export const ASKED = "slipway.dev/rollout-on-config-change";

interface Annotated {
  annotations: Record<string, string>;
}

export function rolledBy(
  { kind, name }: { kind: string; name: string },
  workloads: readonly Workload[],
  namespace: Annotated | undefined,
): Workload[] {
  return workloads.filter((workload) => {
    const asked = workload.annotations[ASKED] || namespace?.annotations[ASKED];
    // A login for a registry is not what its program is told.
    const spec = { ...workload.wire.spec.template.spec, imagePullSecrets: undefined };
    return asked === "true" && usesOf(spec).some((use) => use.kind === kind && use.name === name);
  });
}

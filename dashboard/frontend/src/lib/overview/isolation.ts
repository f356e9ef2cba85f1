/** How much of a namespace network policies shut off. Pure. */
import type { NetworkPolicy } from "../kinds/networkpolicy";
import type { Pod } from "../kinds/pod";

export interface Isolation {
  pods: number;
  /** Pods of which a policy says who may talk to them. */
  incoming: number;
  /** Pods of which a policy says whom they may talk to. */
  outgoing: number;
}

/** Pods that have ended, and those that share their node's network, are nobody's affair. */
export function isolation(pods: readonly Pod[], policies: readonly NetworkPolicy[]): Isolation {
  const counted = pods.filter((pod) => !pod.isFinished && !pod.wire.spec.hostNetwork);
  const covered = (limits: (policy: NetworkPolicy) => boolean) => {
    const those = policies.filter(limits);
    return counted.filter((pod) => those.some((policy) => policy.selects(pod.namespace, pod.labels))).length;
  };
  return {
    pods: counted.length,
    incoming: covered((policy) => policy.limitsIncoming),
    outgoing: covered((policy) => policy.limitsOutgoing),
  };
}

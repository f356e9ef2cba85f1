/**
 * Emptying a node, as `kubectl drain` does it: cordon, then evict pod by pod, again and again where a disruption budget
 * says "not now", until only what belongs to the node is left.
 */
import { ApiError } from "../api/errors";
import type { Pod } from "../kinds/pod";

export interface DrainOptions {
  /** Evict pods with emptyDir volumes: what these hold is lost. */
  emptyDir: boolean;
  /** Evict pods that nobody makes anew. */
  unmanaged: boolean;
}

export type Verdict = "evict" | "stays" | "daemon" | "emptyDir" | "unmanaged";

const MIRROR = "kubernetes.io/config.mirror";

/** What is to become of a pod. `emptyDir` and `unmanaged` need the option of that name. */
export function verdict(pod: Pod, { emptyDir, unmanaged }: DrainOptions): Verdict {
  if (pod.annotations[MIRROR]) return "stays";
  if (pod.controller?.kind === "DaemonSet") return "daemon";
  if (pod.isFinished || pod.isDeleting) return "evict";
  if (!unmanaged && !pod.controller) return "unmanaged";
  if (!emptyDir && pod.wire.spec.volumes?.some((volume) => volume.emptyDir !== undefined)) return "emptyDir";
  return "evict";
}

export interface Plan {
  evict: Pod[];
  skipped: Pod[];
  refused: { pod: Pod; verdict: "emptyDir" | "unmanaged" }[];
}

export function plan(pods: readonly Pod[], options: DrainOptions): Plan {
  const made: Plan = { evict: [], skipped: [], refused: [] };
  for (const pod of pods) {
    const answer = verdict(pod, options);
    if (answer === "evict") made.evict.push(pod);
    else if (answer === "emptyDir" || answer === "unmanaged") made.refused.push({ pod, verdict: answer });
    else made.skipped.push(pod);
  }
  return made;
}

export type Step = "waiting" | "ending" | "blocked" | "gone";

export interface Progress {
  uid: string;
  namespace: string;
  name: string;
  step: Step;
  /** Why it is blocked, in the server's words. */
  message: string;
}

export interface Outcome {
  state: "running" | "done" | "stopped" | "refused";
  pods: readonly Progress[];
  /** What keeps the whole from going on, such as a control plane that does not answer. */
  trouble: string;
  startedAt: number;
}

/** What a drain does to the cluster; others in tests. */
export interface Hands {
  cordon: () => Promise<unknown>;
  list: () => Promise<Pod[]>;
  evict: (pod: Pod) => Promise<unknown>;
  wait: (ms: number) => Promise<unknown>;
}

const PAUSE_MS = 1_500;
const TOO_MANY_REQUESTS = 429;

/** Goes on in the page until it is done or stopped, whichever page is shown. */
export class Drain {
  outcome: Outcome;
  private readonly listeners = new Set<() => void>();
  private isStopped = false;

  constructor(
    readonly node: string,
    private readonly options: DrainOptions,
    private readonly hands: Hands,
    startedAt = Date.now(),
  ) {
    this.outcome = { state: "running", pods: [], trouble: "", startedAt };
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  stop(): void {
    this.isStopped = true;
    if (this.outcome.state === "running") this.tell({ state: "stopped" });
  }

  async run(): Promise<void> {
    let isCordoned = false;
    while (!this.isStopped) {
      try {
        if (!isCordoned) await this.hands.cordon();
        isCordoned = true;
        if (await this.pass()) return;
        this.tell({ trouble: "" });
      } catch (error) {
        this.tell({ trouble: error instanceof Error ? error.message : String(error) });
        // A refusal stays one; everything else (no answer, a restart) may be over next time.
        if (error instanceof ApiError && (error.isForbidden || error.isNotFound)) {
          this.tell({ state: "refused" });
          return;
        }
      }
      await this.hands.wait(PAUSE_MS);
    }
  }

  /** Whether nothing is left to evict. */
  private async pass(): Promise<boolean> {
    const { evict } = plan(await this.hands.list(), this.options);
    const present = new Set(evict.map(({ uid }) => uid));
    const known = new Map(this.outcome.pods.map((each) => [each.uid, each]));
    for (const [uid, each] of known)
      if (!present.has(uid)) known.set(uid, { ...each, step: "gone", message: "" });
    for (const pod of evict) {
      const step: Step = pod.isDeleting ? "ending" : (known.get(pod.uid)?.step ?? "waiting");
      known.set(pod.uid, { ...progress(pod, step), message: known.get(pod.uid)?.message ?? "" });
    }
    this.tell({ pods: [...known.values()] });
    if (evict.length === 0) {
      this.tell({ state: "done", trouble: "" });
      return true;
    }
    for (const pod of evict) {
      if (this.isStopped) return false;
      if (!pod.isDeleting) this.note(await this.evict(pod));
    }
    return false;
  }

  private async evict(pod: Pod): Promise<Progress> {
    try {
      await this.hands.evict(pod);
      return progress(pod, "ending");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.isNotFound) return progress(pod, "gone");
      if (error.code === TOO_MANY_REQUESTS || error.code === 409 || error.code === 403)
        return { ...progress(pod, "blocked"), message: error.message };
      throw error;
    }
  }

  private note(changed: Progress): void {
    this.tell({ pods: this.outcome.pods.map((each) => (each.uid === changed.uid ? changed : each)) });
  }

  private tell(change: Partial<Outcome>): void {
    this.outcome = { ...this.outcome, ...change };
    for (const listener of this.listeners) listener();
  }
}

function progress({ uid, namespace, name }: Pod, step: Step): Progress {
  return { uid, namespace, name, step, message: "" };
}

/** Revisions of a workload's template, and how to go back to one. Pure. */
import type { PatchType } from "./api/objects";
import type { ReplicaSet } from "./kinds/replicaset";
import type { PodTemplate } from "./kinds/workload";
import type { WireObject } from "./wire";

export interface Revision {
  number: number;
  name: string;
  created: string;
  template: PodTemplate;
  /** How many pods of it there are; unknown where revisions are kept as ControllerRevisions. */
  pods?: number;
  images: string[];
  /** The patch that brings it back. */
  undo: { type: PatchType; body: unknown };
}

export interface ControllerRevisionWire extends WireObject {
  revision: number;
  data?: { spec?: { template?: PodTemplate } };
}

const HASH = "pod-template-hash";
const images = (template: PodTemplate) => template.spec.containers.map(({ image }) => image ?? "");

/** A Deployment's: its ReplicaSets, without the label that each template gets there. Newest first. */
export function ofReplicaSets(sets: readonly ReplicaSet[]): Revision[] {
  return sets
    .map((set) => {
      const template = withoutHash(set.wire.spec.template);
      return {
        number: set.revision,
        name: set.name,
        created: set.created,
        template,
        pods: set.wire.status?.replicas ?? 0,
        images: images(template),
        undo: { type: "json" as const, body: [{ op: "replace", path: "/spec/template", value: template }] },
      };
    })
    .sort((a, b) => b.number - a.number);
}

/** A StatefulSet's or DaemonSet's: `data` is a strategic merge patch of the owner. Newest first. */
export function ofControllerRevisions(revisions: readonly ControllerRevisionWire[]): Revision[] {
  return revisions
    .flatMap(({ revision, metadata, data }) => {
      const template = data?.spec?.template;
      if (!template) return [];
      const { $patch: _, ...clean } = template as PodTemplate & { $patch?: string };
      return {
        number: revision,
        name: metadata.name,
        created: metadata.creationTimestamp,
        template: clean,
        images: images(clean),
        undo: { type: "strategic-merge" as const, body: data },
      };
    })
    .sort((a, b) => b.number - a.number);
}

function withoutHash(template: PodTemplate): PodTemplate {
  const { [HASH]: _, ...labels } = template.metadata?.labels ?? {};
  return { ...template, metadata: { ...template.metadata, labels } };
}

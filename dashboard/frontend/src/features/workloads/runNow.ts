import * as objects from "../../lib/api/objects";
import type { CronJob } from "../../lib/kinds/cronjob";
import { Job } from "../../lib/kinds/job";
import type { WireObject } from "../../lib/wire";

/** A Job of a CronJob's template, at once: as `kubectl create job --from=cronjob/…` makes it. */
export function runNow(cron: CronJob): Promise<WireObject> {
  const { metadata = {}, spec } = cron.wire.spec.jobTemplate;
  const annotations = {
    ...(metadata.annotations as object | undefined),
    "cronjob.kubernetes.io/instantiate": "manual",
  };
  return objects.create(Job.info, cron.namespace, {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      generateName: `${cron.name.slice(0, 40)}-now-`,
      labels: metadata.labels,
      annotations,
      ownerReferences: [
        { apiVersion: "batch/v1", kind: "CronJob", name: cron.name, uid: cron.uid, controller: true },
      ],
    },
    spec,
  });
}

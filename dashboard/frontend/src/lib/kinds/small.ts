/** Kinds whose lists need nothing but a few fields. One that comes to need more gets a file of its own. */
import { messages } from "../messages";
import { simple } from "./generic";
import { define } from "./info";

const { fields } = messages;

export const SMALL = [
  simple(
    define({
      group: "apps",
      kind: "ControllerRevision",
      plural: "controllerrevisions",
      section: "workloads",
    }),
    { field: "revision", header: fields.revision, as: "number" },
  ),
  simple(define({ kind: "Endpoints", plural: "endpoints", section: "network", shortNames: ["ep"] }), {
    field: "subsets",
    header: fields.subsets,
    as: "number",
  }),
  simple(
    define({
      group: "networking.k8s.io",
      kind: "IngressClass",
      plural: "ingressclasses",
      section: "network",
      namespaced: false,
    }),
    { field: "spec.controller", header: fields.controller, as: "mono" },
  ),
  simple(
    define({ kind: "ServiceAccount", plural: "serviceaccounts", section: "config", shortNames: ["sa"] }),
  ),
  simple(
    define({
      group: "storage.k8s.io",
      kind: "StorageClass",
      plural: "storageclasses",
      section: "storage",
      namespaced: false,
      shortNames: ["sc"],
    }),
    { field: "provisioner", header: fields.provisioner, as: "mono" },
    { field: "reclaimPolicy", header: fields.reclaimPolicy, priority: 2 },
    { field: "volumeBindingMode", header: fields.binding, priority: 2 },
  ),
  simple(
    define({
      group: "scheduling.k8s.io",
      kind: "PriorityClass",
      plural: "priorityclasses",
      section: "policy",
      namespaced: false,
      shortNames: ["pc"],
    }),
    { field: "value", header: fields.value, as: "number" },
    { field: "globalDefault", header: fields.isDefault },
  ),
  simple(define({ group: "coordination.k8s.io", kind: "Lease", plural: "leases", section: "cluster" }), {
    field: "spec.holderIdentity",
    header: fields.holder,
    as: "mono",
  }),
];

import { PersistentVolumeClaim } from "../../kinds/persistentvolumeclaim";
import { messages } from "../../messages";
import { at, metadataOf, ofMetadata, type SmallForm } from "./definition";
import { inNamespace } from "./fields";

const text = messages.forms;

export const claim: SmallForm = {
  id: "claim",
  info: PersistentVolumeClaim.info,
  lead: text.leads.PersistentVolumeClaim,
  fields: [
    ...inNamespace,
    { id: "size", label: messages.images.size, hint: "1Gi", required: true },
    { id: "mode", label: messages.fields.accessModes, choices: text.accessModes },
    { id: "class", label: messages.fields.class, hint: text.defaultClass, offers: "storageClasses" },
  ],
  lists: [],
  start: { fields: { mode: "ReadWriteOnce" }, rows: {} },
  objectOf: (values) => ({
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: metadataOf(values),
    spec: {
      accessModes: [at(values, "mode")],
      ...(at(values, "class") && { storageClassName: at(values, "class") }),
      resources: { requests: { storage: at(values, "size") } },
    },
  }),
  controlOf: (field) =>
    ofMetadata(field) ??
    (field.startsWith("spec.accessModes")
      ? "mode"
      : field.startsWith("spec.storageClassName")
        ? "class"
        : "size"),
};

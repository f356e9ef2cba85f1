import { ConfigMap } from "../../kinds/configmap";
import { messages } from "../../messages";
import { at, keyed, mapOf, metadataOf, ofMetadata, rowsOf, type SmallForm } from "./definition";
import { inNamespace, KEY_VALUES } from "./fields";

const text = messages.forms;

export const configMap: SmallForm = {
  id: "configmap",
  info: ConfigMap.info,
  lead: text.leads.ConfigMap,
  fields: [
    ...inNamespace,
    { id: "immutable", label: text.immutable, choices: { "": text.mayChange, yes: text.mayNotChange } },
  ],
  lists: [KEY_VALUES],
  start: { fields: { immutable: "" }, rows: { data: [{ key: "", value: "" }] } },
  objectOf: (values) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: metadataOf(values),
    data: mapOf(rowsOf(values, "data")),
    ...(at(values, "immutable") && { immutable: true }),
  }),
  controlOf: (field, values) =>
    ofMetadata(field) ??
    (field.startsWith("immutable") ? "immutable" : keyed(field, "data", "data", rowsOf(values, "data"))),
};

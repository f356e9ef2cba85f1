import { Namespace } from "../../kinds/namespace";
import { messages } from "../../messages";
import { at, keyed, mapOf, metadataOf, ofMetadata, rowsOf, type SmallForm } from "./definition";
import { LABELS, name } from "./fields";

const text = messages.forms;
/** A label of ours (docs/kinds/namespace.md). */
const ISOLATION = "slipway.dev/isolation";

export const namespace: SmallForm = {
  id: "namespace",
  info: Namespace.info,
  lead: text.leads.Namespace,
  fields: [
    name,
    { id: "isolated", label: text.isolation, choices: { "": text.open, namespace: text.isolated } },
  ],
  lists: [LABELS],
  start: { fields: { isolated: "" }, rows: { labels: [] } },
  objectOf: (values) => {
    const labels = {
      ...mapOf(rowsOf(values, "labels")),
      ...(at(values, "isolated") && { [ISOLATION]: at(values, "isolated") }),
    };
    return {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { ...metadataOf(values, false), ...(Object.keys(labels).length > 0 && { labels }) },
    };
  },
  controlOf: (field, values) =>
    ofMetadata(field) ?? keyed(field, "metadata.labels", "labels", rowsOf(values, "labels")),
};

import { Service } from "../../kinds/service";
import { messages } from "../../messages";
import { number, type Wire } from "../objects";
import {
  at,
  keyed,
  mapOf,
  metadataOf,
  ofMetadata,
  type Row,
  rowsOf,
  type SmallForm,
  type Values,
} from "./definition";
import { inNamespace } from "./fields";

const text = messages.forms;
const isNamed = (values: Values) => at(values, "type") === "ExternalName";
const FIELDS: Readonly<Record<string, string>> = {
  name: "name",
  port: "port",
  targetPort: "target",
  nodePort: "node",
  protocol: "protocol",
};

function portOf({ port = "", target = "", name = "", node = "", protocol = "" }: Row, index: number): Wire {
  return {
    name: name || `port-${index + 1}`,
    port: number(port),
    ...(target && { targetPort: number(target) }),
    ...(node && { nodePort: number(node) }),
    ...(protocol && { protocol }),
  };
}

export const service: SmallForm = {
  id: "service",
  info: Service.info,
  lead: text.leads.Service,
  fields: [
    ...inNamespace,
    { id: "type", label: messages.fields.type, choices: text.serviceTypes },
    {
      id: "externalName",
      label: text.externalName,
      hint: "db.example.com",
      required: true,
      mono: true,
      when: isNamed,
    },
  ],
  lists: [
    {
      id: "selector",
      title: text.selector,
      item: text.label,
      fields: [
        { id: "key", label: text.labelKey, hint: "app", required: true, mono: true },
        { id: "value", label: text.labelValue, offers: "apps", mono: true },
      ],
      when: (values) => !isNamed(values),
    },
    {
      id: "ports",
      title: messages.create.ports,
      item: messages.create.port,
      fields: [
        { id: "port", label: messages.create.port, hint: "80", required: true },
        { id: "target", label: messages.network.targetPort },
        { id: "name", label: messages.create.portName },
        { id: "protocol", label: messages.create.protocol, choices: { "": "TCP", UDP: "UDP" } },
        {
          id: "node",
          label: messages.create.nodePort,
          when: (values) => ["NodePort", "LoadBalancer"].includes(at(values, "type")),
        },
      ],
      when: (values) => !isNamed(values),
    },
  ],
  start: {
    fields: { type: "ClusterIP" },
    rows: { selector: [{ key: "app", value: "" }], ports: [{ port: "80" }] },
  },
  objectOf: (values) => {
    const type = at(values, "type");
    const spec: Wire = isNamed(values)
      ? { type, externalName: at(values, "externalName") }
      : {
          ...(type === "Headless" ? { clusterIP: "None" } : { type }),
          selector: mapOf(rowsOf(values, "selector")),
          ports: rowsOf(values, "ports").map(portOf),
        };
    return { apiVersion: "v1", kind: "Service", metadata: metadataOf(values), spec };
  },
  controlOf: (field, values) => {
    const port = /^spec\.ports\[(\d+)\]\.?(\w*)/.exec(field);
    return (
      ofMetadata(field) ??
      (port
        ? `ports.${port[1]}.${FIELDS[port[2] ?? ""] ?? "port"}`
        : field.startsWith("spec.externalName")
          ? "externalName"
          : keyed(field, "spec.selector", "selector", rowsOf(values, "selector")) || "type")
    );
  },
};

import { Ingress } from "../../kinds/ingress";
import { messages } from "../../messages";
import { number, type Wire } from "../objects";
import { at, metadataOf, ofMetadata, type Row, rowsOf, type SmallForm, type Values } from "./definition";
import { inNamespace } from "./fields";

const text = messages.forms;

function ruleOf({ host = "", path = "", service = "", port = "", exact = "" }: Row): Wire {
  const named = Number.isNaN(Number(port)) ? { name: port } : { number: number(port) };
  const backend = { service: { name: service, port: named } };
  const paths = [{ path: path || "/", pathType: exact || "Prefix", backend }];
  return { ...(host && { host }), http: { paths } };
}

/** One entry for the hosts of all rules. */
function tlsOf(values: Values): Wire {
  const how = at(values, "tls");
  if (!how) return {};
  const hosts = [...new Set(rowsOf(values, "rules").map(({ host = "" }) => host))].filter(Boolean);
  const secretName = at(values, "tlsSecret");
  return { tls: [{ hosts, ...(how === "secret" && { secretName }) }] };
}

export const ingress: SmallForm = {
  id: "ingress",
  info: Ingress.info,
  lead: text.leads.Ingress,
  fields: [
    ...inNamespace,
    {
      id: "class",
      label: messages.fields.class,
      hint: text.defaultClass,
      offers: "ingressClasses",
    },
    { id: "tls", label: messages.fields.tls, choices: text.tlsChoices },
    {
      id: "tlsSecret",
      label: text.tlsSecret,
      offers: "secrets",
      required: true,
      when: (values) => at(values, "tls") === "secret",
    },
  ],
  lists: [
    {
      id: "rules",
      title: messages.network.rulesTitle,
      item: text.rule,
      fields: [
        { id: "host", label: messages.network.host, hint: messages.create.hostHint, mono: true },
        { id: "path", label: messages.network.path, hint: "/", mono: true },
        { id: "exact", label: text.pathType, choices: text.pathTypes },
        { id: "service", label: messages.network.service, offers: "services", required: true },
        { id: "port", label: messages.create.servicePort, required: true },
      ],
    },
  ],
  start: {
    fields: { tls: "" },
    rows: { rules: [{ host: "", path: "", exact: "", service: "", port: "80" }] },
  },
  objectOf: (values) => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: metadataOf(values),
    spec: {
      ...(at(values, "class") && { ingressClassName: at(values, "class") }),
      ...tlsOf(values),
      rules: rowsOf(values, "rules").map(ruleOf),
    },
  }),
  controlOf: (field) => {
    const own = ofMetadata(field);
    if (own) return own;
    if (field.startsWith("spec.ingressClassName")) return "class";
    if (field.startsWith("spec.tls")) return field.includes("secretName") ? "tlsSecret" : "tls";
    const rule = /^spec\.rules\[(\d+)\]\.?(.*)/.exec(field);
    if (!rule) return "";
    const rest = rule[2] ?? "";
    const name = rest.includes("service.port")
      ? "port"
      : rest.includes("backend")
        ? "service"
        : rest.includes("pathType")
          ? "exact"
          : rest.includes("path")
            ? "path"
            : "host";
    return `rules.${rule[1]}.${name}`;
  },
};

import { Secret } from "../../kinds/secret";
import { encode } from "../../base64";
import { messages } from "../../messages";
import { at, keyed, mapOf, metadataOf, ofMetadata, rowsOf, type SmallForm, type Values } from "./definition";
import { inNamespace, KEY_VALUES } from "./fields";

const text = messages.forms;

const OPAQUE = "Opaque";
const TLS = "kubernetes.io/tls";
const LOGIN = "kubernetes.io/dockerconfigjson";
const BASIC = "kubernetes.io/basic-auth";
const SSH = "kubernetes.io/ssh-auth";

const is =
  (...types: string[]) =>
  (values: Values) =>
    types.includes(at(values, "type"));

/** By the field that holds it, the key that the Secret has for it. */
const KEYS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [TLS]: { certificate: "tls.crt", privateKey: "tls.key" },
  [BASIC]: { username: "username", password: "password" },
  [SSH]: { privateKey: "ssh-privatekey" },
};

function dataOf(values: Values): Record<string, string> {
  const type = at(values, "type");
  if (type === OPAQUE) return mapOf(rowsOf(values, "data"));
  if (type === LOGIN) return { ".dockerconfigjson": loginOf(values) };
  return Object.fromEntries(Object.entries(KEYS[type] ?? {}).map(([field, key]) => [key, at(values, field)]));
}

/** As `docker login` writes it. */
function loginOf(values: Values): string {
  const [username, password] = [at(values, "username"), at(values, "password")];
  const auth = encode(`${username}:${password}`);
  return JSON.stringify({ auths: { [at(values, "server")]: { username, password, auth } } });
}

function controlOf(field: string, values: Values): string {
  const own = ofMetadata(field);
  if (own) return own;
  if (field.startsWith("type")) return "type";
  const type = at(values, "type");
  const key = /^(?:stringData|data)[.[]([^\]]*)\]?/.exec(field)?.[1] ?? "";
  if (type === LOGIN) return "server";
  if (type !== OPAQUE) return Object.entries(KEYS[type] ?? {}).find(([, one]) => one === key)?.[0] ?? "type";
  const rows = rowsOf(values, "data");
  return keyed(field, "stringData", "data", rows) || keyed(field, "data", "data", rows);
}

export const secret: SmallForm = {
  id: "secret",
  info: Secret.info,
  lead: text.leads.Secret,
  fields: [
    ...inNamespace,
    { id: "type", label: messages.fields.type, choices: text.secretTypes },
    {
      id: "server",
      label: text.registryServer,
      hint: "registry.example.com",
      when: is(LOGIN),
      required: true,
      mono: true,
    },
    { id: "username", label: messages.login.username, when: is(LOGIN, BASIC), required: true },
    {
      id: "password",
      label: messages.login.password,
      when: is(LOGIN, BASIC),
      required: true,
      isHidden: true,
    },
    {
      id: "certificate",
      label: text.certificate,
      hint: "-----BEGIN CERTIFICATE-----",
      when: is(TLS),
      required: true,
      isLong: true,
      mono: true,
    },
    {
      id: "privateKey",
      label: text.privateKey,
      hint: "-----BEGIN PRIVATE KEY-----",
      when: is(TLS, SSH),
      required: true,
      isLong: true,
      mono: true,
    },
  ],
  lists: [{ ...KEY_VALUES, when: is(OPAQUE) }],
  start: { fields: { type: OPAQUE }, rows: { data: [{ key: "", value: "" }] } },
  objectOf: (values) => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: metadataOf(values),
    type: at(values, "type"),
    stringData: dataOf(values),
  }),
  controlOf,
};

/** The lists of the form: environment, ports, volumes, health checks. */
import { FRESH, type RunForm, takesAll } from "../../lib/create/form";
import { messages } from "../../lib/messages";
import type { ObjectOffers } from "./offers";
import { RowChoice, RowField, Rows, RowSwitch } from "./rowList";

const text = messages.create;

interface Props {
  form: RunForm;
  change: (part: Partial<RunForm>) => void;
  errorAt: (control: string) => string | undefined;
}

export function EnvironmentRows({ form, change, errorAt, offers }: Props & { offers: ObjectOffers }) {
  return (
    <Rows
      title={text.environment}
      item={text.variable}
      rows={form.env}
      onChange={(env) => change({ env })}
      fresh={FRESH.env}
    >
      {(row, index, set) => {
        const isSecret = row.from === "secret" || row.from === "allOfSecret";
        const isAll = takesAll(row.from);
        return (
          <>
            <RowField
              title={isAll ? text.prefix : text.variable}
              index={index}
              value={row.name}
              onChange={(name) => set({ name })}
              error={errorAt(`env.${index}.name`)}
              mono
              {...(isAll && { hint: text.prefixHint })}
            />
            <RowChoice
              title={text.envFrom}
              index={index}
              value={row.from}
              choices={text.envSources}
              onChange={(from) => set({ from })}
            />
            {row.from === "value" ? (
              <RowField
                title={text.value}
                index={index}
                value={row.value}
                onChange={(value) => set({ value })}
                error={errorAt(`env.${index}.value`)}
                mono
              />
            ) : (
              <RowField
                title={text.object}
                index={index}
                value={row.object}
                onChange={(object) => set({ object })}
                error={errorAt(`env.${index}.object`)}
                offers={isSecret ? offers.secrets : offers.configMaps}
              />
            )}
            {row.from !== "value" && !isAll && (
              <RowField
                title={text.objectKey}
                index={index}
                value={row.key}
                onChange={(key) => set({ key })}
                error={errorAt(`env.${index}.key`)}
                offers={offers.keysOf(isSecret ? "secret" : "configMap", row.object)}
                mono
              />
            )}
          </>
        );
      }}
    </Rows>
  );
}

const PROTOCOLS = { "": "TCP", UDP: "UDP" };

export function PortRows({ form, change, errorAt }: Props) {
  const hasNodePort = form.service === "NodePort" || form.service === "LoadBalancer";
  const hasOwnPort = form.service !== "" && form.service !== "Headless";
  return (
    <Rows
      title={text.ports}
      item={text.port}
      rows={form.ports}
      onChange={(ports) => change({ ports })}
      fresh={FRESH.port}
    >
      {(row, index, set) => (
        <>
          <RowField
            title={text.port}
            index={index}
            value={row.port}
            onChange={(port) => set({ port })}
            error={errorAt(`ports.${index}.port`)}
            hint="8080"
          />
          <RowField
            title={text.portName}
            index={index}
            value={row.name}
            onChange={(name) => set({ name })}
            error={errorAt(`ports.${index}.name`)}
            hint="http"
          />
          <RowChoice
            title={text.protocol}
            index={index}
            value={row.protocol}
            choices={PROTOCOLS}
            onChange={(protocol) => set({ protocol })}
            error={errorAt(`ports.${index}.protocol`)}
          />
          {hasOwnPort && (
            <RowField
              title={text.servicePort}
              index={index}
              value={row.service}
              onChange={(service) => set({ service })}
              error={errorAt(`ports.${index}.service`)}
              hint={text.sameAsPort}
            />
          )}
          {hasNodePort && (
            <RowField
              title={text.nodePort}
              index={index}
              value={row.node}
              onChange={(node) => set({ node })}
              error={errorAt(`ports.${index}.node`)}
              hint={text.anyPort}
            />
          )}
        </>
      )}
    </Rows>
  );
}

export function VolumeRows({ form, change, errorAt, offers }: Props & { offers: ObjectOffers }) {
  const known = { claim: offers.claims, configMap: offers.configMaps, secret: offers.secrets };
  return (
    <Rows
      title={text.volumes}
      item={messages.fields.volume}
      rows={form.volumes}
      onChange={(volumes) => change({ volumes })}
      fresh={FRESH.volume}
    >
      {(row, index, set) => (
        <>
          <RowField
            title={text.mountPath}
            index={index}
            value={row.mountPath}
            onChange={(mountPath) => set({ mountPath })}
            error={errorAt(`volumes.${index}.mountPath`)}
            hint="/data"
            mono
          />
          <RowChoice
            title={text.volumeSource}
            index={index}
            value={row.source}
            choices={text.sources}
            onChange={(source) => set({ source })}
          />
          {row.source !== "emptyDir" && (
            <RowField
              title={row.source === "hostPath" ? text.hostPath : text.volumeName}
              index={index}
              value={row.name}
              onChange={(name) => set({ name })}
              error={errorAt(`volumes.${index}.name`)}
              {...(row.source !== "hostPath" && { offers: known[row.source] })}
            />
          )}
          {row.source === "claim" && (
            <RowField
              title={text.size}
              index={index}
              value={row.size}
              onChange={(size) => set({ size })}
              error={errorAt(`volumes.${index}.size`)}
              hint={text.sizeHint}
            />
          )}
          <RowField
            title={text.subPath}
            index={index}
            value={row.subPath}
            onChange={(subPath) => set({ subPath })}
            error={errorAt(`volumes.${index}.subPath`)}
            hint={text.subPathHint}
            mono
          />
          <RowSwitch
            title={text.readOnly}
            index={index}
            checked={row.readOnly}
            onChange={(readOnly) => set({ readOnly })}
          />
        </>
      )}
    </Rows>
  );
}

export function CheckRows({ form, change, errorAt }: Props) {
  const ports = form.ports.map(({ name, port }) => name || port).filter(Boolean);
  return (
    <Rows
      title={text.checks}
      item={text.check}
      rows={form.checks}
      onChange={(checks) => change({ checks })}
      fresh={{ ...FRESH.check, port: ports[0] ?? "", probe: nextProbe(form) }}
    >
      {(row, index, set) => (
        <>
          <RowChoice
            title={text.checkFor}
            index={index}
            value={row.probe}
            choices={text.probes}
            onChange={(probe) => set({ probe })}
          />
          <RowChoice
            title={text.checkHow}
            index={index}
            value={row.how}
            choices={text.hows}
            onChange={(how) => set({ how })}
          />
          {row.how === "exec" ? (
            <RowField
              title={text.checkCommand}
              index={index}
              value={row.command}
              onChange={(command) => set({ command })}
              error={errorAt(`checks.${index}.command`)}
              mono
            />
          ) : (
            <RowField
              title={text.checkPort}
              index={index}
              value={row.port}
              onChange={(port) => set({ port })}
              error={errorAt(`checks.${index}.port`)}
              offers={ports}
            />
          )}
          {row.how === "http" && (
            <RowField
              title={text.checkPath}
              index={index}
              value={row.path}
              onChange={(path) => set({ path })}
              error={errorAt(`checks.${index}.path`)}
              mono
            />
          )}
          <RowField
            title={text.period}
            index={index}
            value={row.periodSeconds}
            onChange={(periodSeconds) => set({ periodSeconds })}
            error={errorAt(`checks.${index}.periodSeconds`)}
          />
          <RowField
            title={text.failures}
            index={index}
            value={row.failureThreshold}
            onChange={(failureThreshold) => set({ failureThreshold })}
            error={errorAt(`checks.${index}.failureThreshold`)}
          />
        </>
      )}
    </Rows>
  );
}

/** One that has no check yet. */
function nextProbe({ checks }: RunForm) {
  const taken = new Set(checks.map(({ probe }) => probe));
  return (["readiness", "liveness", "startup"] as const).find((probe) => !taken.has(probe)) ?? "readiness";
}

/** The first tab of an object's page: what it is, how it does, what it belongs to. */
import { Stack, Text } from "@mantine/core";
import { Age } from "../../components/age";
import { Cell, Labels } from "../../components/cell";
import { Conditions } from "../../components/conditions";
import { useRegistry } from "../../components/hooks";
import { Panel } from "../../components/panel";
import { ResourceLink } from "../../components/resourceLink";
import type { Resource } from "../../lib/kinds/resource";
import { messages } from "../../lib/messages";
import { useResource } from "../../lib/watch/hooks";
import type { OwnerReference, WireObject } from "../../lib/wire";
import { EXPLAINED, PANELS } from "../pages";
import { WhyPanel } from "../why/panel";

export function Summary({ item }: { item: Resource<WireObject> }) {
  const panels = PANELS[item.info.kind] ?? [];
  const isUnwell = item.health === "bad" || item.health === "busy";
  return (
    <Stack>
      {isUnwell && EXPLAINED.has(item.info.kind) && <WhyPanel item={item} />}
      {panels.map((View, index) => (
        <View key={index} item={item} />
      ))}
      <Facts item={item} />
      <Conditions conditions={item.conditions} />
    </Stack>
  );
}

function Facts({ item }: { item: Resource<WireObject> }) {
  const { fields } = messages;
  const facts = item.facts.filter((fact) => {
    const value = fact.value(item);
    return value !== undefined && value !== "";
  });
  const annotations = Object.entries(item.annotations).filter(([key]) => key !== APPLIED);
  return (
    <Panel title={messages.detail.metadata}>
      <dl className="facts">
        {facts.map((fact) => (
          <Fact key={fact.id} title={fact.header}>
            <Cell column={fact} item={item} />
          </Fact>
        ))}
        {item.controller && (
          <Fact title={messages.detail.ownerChain}>
            <OwnerChain owner={item.controller} namespace={item.namespace} depth={0} />
          </Fact>
        )}
        <Fact title={fields.created}>
          <Age since={item.created} />
        </Fact>
        {Object.keys(item.labels).length > 0 && (
          <Fact title={fields.labels} isWide={Object.keys(item.labels).length > 2}>
            <Labels of={item.labels} />
          </Fact>
        )}
        {annotations.length > 0 && (
          <Fact title={fields.annotations} isWide>
            <Annotations of={annotations} />
          </Fact>
        )}
        {item.wire.metadata.finalizers && (
          <Fact title={fields.finalizers}>
            <span className="mono">{item.wire.metadata.finalizers.join(", ")}</span>
          </Fact>
        )}
      </dl>
    </Panel>
  );
}

function Fact({
  title,
  isWide = false,
  children,
}: {
  title: string;
  isWide?: boolean;
  children: React.ReactNode;
}) {
  return (
    <div className={isWide ? "wide" : undefined}>
      <dt>{title}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** It may hold a Secret's values, in clear. */
const APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

function Annotations({ of }: { of: readonly [string, string][] }) {
  return (
    <>
      {of.map(([key, value]) => (
        <Text key={key} size="sm" className="mono breakable">
          {key}: {value}
        </Text>
      ))}
    </>
  );
}

const DEEPEST = 4;

/** `ReplicaSet web-7d9 ‹ Deployment web`: up to who was asked for in the first place. */
function OwnerChain({
  owner,
  namespace,
  depth,
}: {
  owner: OwnerReference;
  namespace: string;
  depth: number;
}) {
  const group = owner.apiVersion.includes("/") ? (owner.apiVersion.split("/")[0] ?? "") : "";
  const known = useRegistry().find(group, owner.kind);
  return (
    <>
      {depth > 0 && " ‹ "}
      <ResourceLink to={{ kind: owner.kind, group, namespace, name: owner.name }}>
        {owner.kind} {owner.name}
      </ResourceLink>
      {known && depth < DEEPEST && <Above kind={known} owner={owner} namespace={namespace} depth={depth} />}
    </>
  );
}

interface AboveProps {
  kind: Parameters<typeof useResource>[0];
  owner: OwnerReference;
  namespace: string;
  depth: number;
}

function Above({ kind, owner, namespace, depth }: AboveProps) {
  const { item } = useResource(kind, kind.info.namespaced ? namespace : "", owner.name);
  return item?.controller ? (
    <OwnerChain owner={item.controller} namespace={namespace} depth={depth + 1} />
  ) : null;
}

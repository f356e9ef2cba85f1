/** Says before a change of a ConfigMap or Secret is saved which workloads it rolls out. */
import { Alert, Group } from "@mantine/core";
import { IconRotateClockwise } from "@tabler/icons-react";
import { ResourceLink } from "../../components/resourceLink";
import type { Key } from "../../lib/api/objects";
import { rolledBy } from "../../lib/configuration";
import { DaemonSet } from "../../lib/kinds/daemonset";
import { Deployment } from "../../lib/kinds/deployment";
import { Namespace } from "../../lib/kinds/namespace";
import { StatefulSet } from "../../lib/kinds/statefulset";
import { messages } from "../../lib/messages";
import { useResource, useResources } from "../../lib/watch/hooks";

export function RolledNote({ target: { kind, namespace, name } }: { target: Key }) {
  const { item: space } = useResource(Namespace, "", namespace);
  const deployments = useResources(Deployment, { namespace }).items;
  const statefulSets = useResources(StatefulSet, { namespace }).items;
  const daemonSets = useResources(DaemonSet, { namespace }).items;
  const rolled = rolledBy({ kind: kind.kind, name }, [...deployments, ...statefulSets, ...daemonSets], space);
  if (rolled.length === 0) return null;
  return (
    <Alert color="blue" icon={<IconRotateClockwise />} title={messages.config.rolls} data-testid="rolled">
      <Group gap="sm">
        {rolled.map(({ uid, info, name: each }) => (
          <ResourceLink key={uid} to={{ kind: info.kind, group: info.group, namespace, name: each }}>
            {info.kind} {each}
          </ResourceLink>
        ))}
      </Group>
    </Alert>
  );
}

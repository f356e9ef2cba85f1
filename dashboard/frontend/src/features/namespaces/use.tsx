/** What the pods of a namespace ask for, may take and use; and what quotas and limit ranges allow. */
import { Anchor, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { Bar } from "../../components/bar";
import { Panel } from "../../components/panel";
import { ResourceLink } from "../../components/resourceLink";
import * as usage from "../../lib/api/usage";
import { createLink } from "../../lib/create/links";
import { formatBytes, formatCores } from "../../lib/format/quantity";
import { LimitRange } from "../../lib/kinds/limitrange";
import type { Pod } from "../../lib/kinds/pod";
import { ResourceQuota, shareHealth } from "../../lib/kinds/resourcequota";
import { messages } from "../../lib/messages";
import { promised } from "../../lib/overview/allocation";
import { useResources } from "../../lib/watch/hooks";
import { COLOURS } from "../policy/panels";

const text = messages.namespaces;

interface Props {
  namespace: string;
  pods: readonly Pod[];
}

export function UsePanel({ namespace, pods }: Props) {
  const quotas = useResources(ResourceQuota, { namespace });
  const ranges = useResources(LimitRange, { namespace });
  return (
    <Panel title={text.use}>
      <Stack gap="md">
        <Used namespace={namespace} pods={pods} />
        {quotas.items.map((quota) => (
          <Quota key={quota.uid} quota={quota} />
        ))}
        {quotas.synced && quotas.items.length === 0 && (
          <Text size="sm" c="dimmed">
            {text.noQuota}{" "}
            <Anchor
              component={Link}
              href={`${createLink(ResourceQuota.info)}&namespace=${namespace}`}
              inherit
            >
              {messages.list.create(ResourceQuota.info.kind)}
            </Anchor>
          </Text>
        )}
        {ranges.items.map((range) => (
          <Range key={range.uid} range={range} />
        ))}
      </Stack>
    </Panel>
  );
}

function Used({ namespace, pods }: Props) {
  const { data } = useQuery({
    queryKey: ["usage", "now", "pods", namespace],
    queryFn: ({ signal }) => usage.now("pods", namespace, signal),
    refetchInterval: 15_000,
    retry: false,
  });
  const used = (measure: "cpu" | "memory") =>
    data && [...data.values()].reduce((sum, each) => sum + each[measure], 0);
  return (
    <table className="amounts">
      <thead>
        <tr>
          <td />
          <th scope="col">{text.requested}</th>
          <th scope="col">{text.limits}</th>
          <th scope="col">{text.used}</th>
        </tr>
      </thead>
      <tbody>
        <Amounts
          title={messages.usage.cpu}
          pods={pods}
          resource="cpu"
          used={used("cpu")}
          format={formatCores}
        />
        <Amounts
          title={messages.usage.memory}
          pods={pods}
          resource="memory"
          used={used("memory")}
          format={formatBytes}
        />
      </tbody>
    </table>
  );
}

interface AmountsProps {
  title: string;
  pods: readonly Pod[];
  resource: string;
  used: number | undefined;
  format: (amount: number) => string;
}

function Amounts({ title, pods, resource, used, format }: AmountsProps) {
  const { requested, limited, unlimited } = promised(pods, resource);
  return (
    <tr>
      <th scope="row">{title}</th>
      <td className="number">{format(requested)}</td>
      <td className="number">
        {format(limited)}
        {unlimited > 0 && (
          <Text size="xs" c="dimmed">
            {text.unlimited(unlimited)}
          </Text>
        )}
      </td>
      <td className="number">{used === undefined ? "–" : format(used)}</td>
    </tr>
  );
}

function Quota({ quota }: { quota: ResourceQuota }) {
  return (
    <section aria-label={text.quota(quota.name)} className="allowed">
      <ResourceLink to={{ kind: "ResourceQuota", namespace: quota.namespace, name: quota.name }}>
        {text.quota(quota.name)}
      </ResourceLink>
      <Stack gap={6}>
        {quota.limits.map(({ resource, used, hard, share }) => (
          <Bar
            key={resource}
            title={resource}
            told={messages.policies.of(used, hard)}
            share={share}
            color={COLOURS[shareHealth(share)]}
          />
        ))}
      </Stack>
    </section>
  );
}

/** What it gives to containers that name nothing, and what it allows, in one line for each resource. */
function Range({ range }: { range: LimitRange }) {
  const { policies } = messages;
  return (
    <section aria-label={text.range(range.name)} className="allowed">
      <ResourceLink to={{ kind: "LimitRange", namespace: range.namespace, name: range.name }}>
        {text.range(range.name)}
      </ResourceLink>
      <ul className="range-lines">
        {range.ranges.map(({ type, resource, min, max, request, limit }) => (
          <li key={`${type}/${resource}`}>
            {type} {resource}:{" "}
            {[
              min && text.told(policies.min, min),
              max && text.told(policies.max, max),
              request && text.told(policies.request, request),
              limit && text.told(policies.limit, limit),
            ]
              .filter(Boolean)
              .join(", ")}
          </li>
        ))}
      </ul>
    </section>
  );
}

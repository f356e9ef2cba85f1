/** What else there is of a workload, with the way there: services, names outside, settings, volumes. */
import { Group, Text } from "@mantine/core";
import { Panel } from "../../components/panel";
import { ResourceLink } from "../../components/resourceLink";
import { CronJob } from "../../lib/kinds/cronjob";
import { HorizontalPodAutoscaler } from "../../lib/kinds/horizontalpodautoscaler";
import { Ingress } from "../../lib/kinds/ingress";
import { NetworkPolicy } from "../../lib/kinds/networkpolicy";
import { Pod } from "../../lib/kinds/pod";
import { PodDisruptionBudget } from "../../lib/kinds/poddisruptionbudget";
import { Service } from "../../lib/kinds/service";
import type { Workload } from "../../lib/kinds/workload";
import { messages } from "../../lib/messages";
import { relatedTo, type Subject } from "../../lib/related";
import { useResources } from "../../lib/watch/hooks";

const text = messages.related;
/** Every pod has it; it tells nothing. */
const DEFAULT_ACCOUNT = "default";

export function RelatedPanel({ item }: { item: Workload | Pod | CronJob }) {
  const { namespace } = item;
  const related = relatedTo(subjectOf(item), {
    services: useResources(Service, { namespace }).items,
    ingresses: useResources(Ingress, { namespace }).items,
    autoscalers: useResources(HorizontalPodAutoscaler, { namespace }).items,
    budgets: useResources(PodDisruptionBudget, { namespace }).items,
    policies: useResources(NetworkPolicy, { namespace }).items,
  });
  const shown = related.filter(
    ({ kind, names }) => !(kind === "ServiceAccount" && names[0] === DEFAULT_ACCOUNT),
  );
  return (
    <Panel title={text.title}>
      {shown.length === 0 ? (
        <Text size="sm" c="dimmed">
          {text.none}
        </Text>
      ) : (
        <dl className="facts">
          {shown.map(({ kind, names }) => (
            <div key={kind}>
              <dt>{text.groups[kind] ?? kind}</dt>
              <dd>
                <Group gap="sm">
                  {names.map((name) => (
                    <ResourceLink key={name} to={{ kind, namespace, name }}>
                      {name}
                    </ResourceLink>
                  ))}
                </Group>
              </dd>
            </div>
          ))}
        </dl>
      )}
    </Panel>
  );
}

function subjectOf(item: Workload | Pod | CronJob): Subject {
  const { name, namespace, info, labels } = item;
  const shared = { kind: info.kind, name, namespace };
  if (item instanceof Pod) return { ...shared, labels, spec: item.wire.spec };
  const { template } = item instanceof CronJob ? item.wire.spec.jobTemplate.spec : item.wire.spec;
  return { ...shared, labels: template.metadata?.labels ?? {}, spec: template.spec };
}

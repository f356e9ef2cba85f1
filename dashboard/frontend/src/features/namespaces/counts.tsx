/** How many of each kind are in a namespace, and how many of them are not well. */
import { Panel } from "../../components/panel";
import { StatusBadge } from "../../components/statusBadge";
import { ConfigMap } from "../../lib/kinds/configmap";
import { CronJob } from "../../lib/kinds/cronjob";
import { DaemonSet } from "../../lib/kinds/daemonset";
import { Deployment } from "../../lib/kinds/deployment";
import { Ingress } from "../../lib/kinds/ingress";
import { Job } from "../../lib/kinds/job";
import { PersistentVolumeClaim } from "../../lib/kinds/persistentvolumeclaim";
import { Pod } from "../../lib/kinds/pod";
import type { ResourceClass } from "../../lib/kinds/resource";
import { Secret } from "../../lib/kinds/secret";
import { Service } from "../../lib/kinds/service";
import { StatefulSet } from "../../lib/kinds/statefulset";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/hooks";
import { Link } from "wouter";
import { titleOf } from "../resources/list";

const text = messages.namespaces;
const COUNTED: readonly ResourceClass[] = [
  Deployment,
  StatefulSet,
  DaemonSet,
  Job,
  CronJob,
  Service,
  Ingress,
  ConfigMap,
  Secret,
  PersistentVolumeClaim,
];

export function CountsPanel({ namespace, pods }: { namespace: string; pods: readonly Pod[] }) {
  return (
    <Panel title={text.counts}>
      <ul className="counts">
        <Count kind={Pod} namespace={namespace} all={pods.length} bad={pods.filter(isBad).length} />
        {COUNTED.map((kind) => (
          <CountOf key={kind.info.kind} kind={kind} namespace={namespace} />
        ))}
      </ul>
    </Panel>
  );
}

const isBad = ({ health }: { health: string }) => health === "bad";

function CountOf({ kind, namespace }: { kind: ResourceClass; namespace: string }) {
  const { items, synced } = useResources(kind, { namespace });
  return (
    <Count
      kind={kind}
      namespace={namespace}
      all={synced ? items.length : undefined}
      bad={items.filter(isBad).length}
    />
  );
}

interface CountProps {
  kind: ResourceClass;
  namespace: string;
  /** Undefined: not read yet, or not for this user to read. */
  all: number | undefined;
  bad: number;
}

function Count({ kind, namespace, all, bad }: CountProps) {
  return (
    <li>
      <Link href={links.within(kind.info, namespace)} className="link">
        {titleOf(kind)}
      </Link>
      <span className="count-figures">
        {bad > 0 && <StatusBadge health="bad">{text.notWell(bad)}</StatusBadge>}
        <span className="number">{all?.toLocaleString("en") ?? "–"}</span>
      </span>
    </li>
  );
}

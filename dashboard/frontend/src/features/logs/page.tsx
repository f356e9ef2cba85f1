/** The logs of a pod, or of all pods of a workload merged. */
import { MultiSelect, Select, Switch, TextInput } from "@mantine/core";
import { useMemo } from "react";
import { ShowCommand } from "../../components/command";
import { useParameter } from "../../components/hooks";
import { Empty, Failed, Loading } from "../../components/states";
import * as commands from "../../lib/commands";
import { Pod } from "../../lib/kinds/pod";
import type { Resource } from "../../lib/kinds/resource";
import { Service } from "../../lib/kinds/service";
import { Workload } from "../../lib/kinds/workload";
import type { LogSource } from "../../lib/log/stream";
import { messages } from "../../lib/messages";
import * as selectors from "../../lib/selectors";
import { usePodsOf } from "../workloads/related";
import { LogViewer } from "./viewer";

const text = messages.logs;

export function LogsOf({ item }: { item: Resource<any> }) {
  const { items: pods, synced, error } = usePodsOf(item);
  const [container, setContainer] = useParameter("container");
  const [chosenPods, setChosenPods] = useParameter("pods");
  const [previous, setPrevious] = useParameter("previous");
  const [since, setSince] = useParameter("since");
  const [until, setUntil] = useParameter("until");
  const containers = useMemo(
    () => [...new Set(pods.flatMap(({ containerNames }) => containerNames))],
    [pods],
  );
  const sources = useSources(pods, chosenPods, container);
  if (error) return <Failed error={error} />;
  if (!synced) return <Loading />;
  const isPod = item instanceof Pod;
  const target = { kind: item.info, namespace: item.namespace, name: item.name };
  return (
    <>
      <LogViewer
        key={`${item.uid}/${previous}/${since}/${until}/${chosenPods}/${container}`}
        sources={sources}
        options={{ previous: Boolean(previous), since, until }}
        fileName={item.name}
        controls={
          <>
            {!isPod && pods.length > 1 && (
              <MultiSelect
                aria-label={text.pods}
                placeholder={chosenPods ? "" : text.allPods}
                data={pods.map(({ name }) => name)}
                value={chosenPods ? chosenPods.split(",") : []}
                onChange={(names) => setChosenPods(names.join(","))}
                size="xs"
                w={220}
              />
            )}
            {containers.length > 1 && (
              <Select
                aria-label={text.container}
                placeholder={text.allContainers}
                data={containers}
                value={container || null}
                onChange={(name) => setContainer(name ?? "")}
                clearable
                size="xs"
                w={150}
              />
            )}
            <Select
              aria-label={text.since}
              data={Object.entries(text.sinceChoices).map(([value, label]) => ({
                value: value || "last",
                label,
              }))}
              value={since || "last"}
              onChange={(value) => setSince(value === "last" || !value ? "" : value)}
              allowDeselect={false}
              size="xs"
              w={150}
            />
            <TextInput
              type="datetime-local"
              aria-label={text.until}
              title={text.until}
              step={1}
              value={localTime(until)}
              onChange={(event) => setUntil(instantOf(event.currentTarget.value))}
              size="xs"
            />
            <Switch
              label={text.previous}
              checked={Boolean(previous)}
              onChange={(event) => setPrevious(event.currentTarget.checked ? "1" : "")}
              size="xs"
            />
            <ShowCommand command={commands.logs(target, container, Boolean(previous), selectorOf(item))} />
          </>
        }
      />
      {pods.length === 0 && <Empty text={text.noPods} />}
    </>
  );
}

/** The same list as long as it names the same containers, however often the pods change. */
function useSources(pods: readonly Pod[], chosen: string, container: string): LogSource[] {
  const names = chosen ? new Set(chosen.split(",")) : null;
  const wanted = pods
    .filter(({ name }) => !names || names.has(name))
    .flatMap((pod) =>
      pod.containerNames
        .filter((name) => !container || name === container)
        .map((name) => ({ namespace: pod.namespace, pod: pod.name, container: name })),
    );
  const key = JSON.stringify(wanted);
  return useMemo(() => JSON.parse(key) as LogSource[], [key]);
}

function selectorOf(item: Resource<any>): string {
  const selector = item instanceof Workload || item instanceof Service ? item.selector : undefined;
  return selector ? selectors.format(selector) : "";
}

/** What a control for local time shows of a moment, and the moment that it means. Empty both ways. */
function localTime(instant: string): string {
  const moment = new Date(instant);
  if (!instant || Number.isNaN(moment.getTime())) return "";
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function instantOf(local: string): string {
  const moment = new Date(local);
  return Number.isNaN(moment.getTime()) ? "" : moment.toISOString();
}

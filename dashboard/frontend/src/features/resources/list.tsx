/** The list of any kind: live, filtered, sorted. What differs between kinds are their columns. */
import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useNamespace } from "../../components/hooks";
import { ShowCommand } from "../../components/command";
import { Page } from "../../components/page";
import { ResourceTable } from "../../components/resourceTable";
import { Empty, Failed, Loading } from "../../components/states";
import * as paths from "../../lib/api/paths";
import * as tables from "../../lib/api/tables";
import * as commands from "../../lib/commands";
import * as filters from "../../lib/filter";
import type { Column } from "../../lib/kinds/column";
import type { Resource, ResourceClass } from "../../lib/kinds/resource";
import { messages } from "../../lib/messages";
import { type Listed, useResources } from "../../lib/watch/hooks";
import { CreateButton } from "../create/button";
import { BulkActions } from "./actions";
import "./list.css";
import { ColumnChooser, useListSettings } from "./settings";
import { ClearFilters, Filters, useFilter } from "./filters";

export function ListPage({ kind }: { kind: ResourceClass }) {
  const [chosen] = useNamespace();
  const { info } = kind;
  const namespace = info.namespaced ? chosen : "";
  const listed = useResources(kind, { namespace });
  const columns = useColumns(kind, namespace, listed.items);
  const controls = useFilter();
  return (
    <Page
      title={titleOf(kind)}
      actions={
        <>
          <CreateButton info={info} />
          <ShowCommand command={commands.list(info, namespace, controls.filter.labels)} />
        </>
      }
    >
      <FilteredTable
        kind={kind}
        listed={listed}
        columns={columns}
        namespace={namespace}
        controls={controls}
      />
    </Page>
  );
}

interface TableProps {
  kind: ResourceClass;
  listed: Listed<Resource<any>>;
  columns: readonly Column<any>[];
  namespace: string;
  controls: ReturnType<typeof useFilter>;
}

const NOTHING: ReadonlySet<string> = new Set();

/** Filters over the table, and what to say when there is nothing to show. */
export function FilteredTable({
  kind,
  listed: { items, synced, error },
  columns,
  namespace,
  controls,
}: TableProps) {
  const { filter } = controls;
  const settings = useListSettings(kind.info, columns);
  const [selected, setSelected] = useState<ReadonlySet<string>>(NOTHING);
  const select = (uids: readonly string[], isSelected: boolean) => {
    const next = new Set(selected);
    for (const uid of uids) next[isSelected ? "add" : "delete"](uid);
    setSelected(next);
  };
  const shown = useMemo(
    () => filters.apply(items, filter),
    [items, filter.text, filter.labels, filter.state],
  );
  if (error && items.length === 0) return <Failed error={error} />;
  if (!synced) return <Loading />;
  if (items.length === 0) {
    const { info } = kind;
    return (
      <Empty
        text={messages.list.empty(info.kind, namespace)}
        hint={messages.list.emptyHints[info.kind] ?? ""}
      >
        <CreateButton info={info} isMain />
      </Empty>
    );
  }
  return (
    <>
      <Filters controls={controls} items={items}>
        <ColumnChooser settings={settings} />
      </Filters>
      {shown.length === 0 ? (
        <Empty text={messages.list.noMatch}>
          <ClearFilters controls={controls} />
        </Empty>
      ) : (
        <ResourceTable
          label={titleOf(kind)}
          items={shown}
          columns={settings.columns}
          sorting={settings.sorting}
          selection={{ selected, select }}
        />
      )}
      <BulkActions
        items={selected.size > 0 ? shown.filter(({ uid }) => selected.has(uid)) : []}
        onClear={() => setSelected(NOTHING)}
      />
      <Text size="xs" c="dimmed" role="status">
        {messages.list.count(shown.length, items.length)}
      </Text>
    </>
  );
}

/** `Network policies`: the kind's name, as people say many of it. */
export function titleOf({ info }: ResourceClass): string {
  const words = info.kind.replace(
    /([a-z])([A-Z])/g,
    (_, before: string, after: string) => `${before} ${after.toLowerCase()}`,
  );
  const plural = /[^aeiou]y$/.test(words)
    ? `${words.slice(0, -1)}ies`
    : /(s|ss|x)$/.test(words)
      ? plurals(words)
      : `${words}s`;
  return plural;
}

function plurals(words: string): string {
  return words.endsWith("Endpoints") || words.endsWith("Metrics") ? words : `${words}es`;
}

/** A kind's own columns without the namespace where there is one only; for kinds without a class those of kubectl. */
function useColumns(
  kind: ResourceClass,
  namespace: string,
  items: readonly Resource<any>[],
): readonly Column<any>[] {
  const printed = usePrinterColumns(kind, namespace, items);
  return useMemo(() => {
    const all = printed ?? kind.columns;
    return namespace ? all.filter(({ id }) => id !== "namespace") : all;
  }, [kind, namespace, printed]);
}

const OURS = new Set(["name", "namespace", "age"]);

/** Asked anew when the list has changed: cells are worked out by the server. */
function usePrinterColumns(kind: ResourceClass, namespace: string, items: readonly Resource<any>[]) {
  const { info } = kind;
  const isPrinted = info.section === "custom";
  const { data } = useQuery({
    queryKey: ["table", paths.collection(info, namespace), isPrinted ? versionOf(items) : ""],
    queryFn: ({ signal }) => tables.get(paths.collection(info, namespace), signal),
    enabled: isPrinted,
    // Each change of the list makes another question; the answers to earlier ones are of no use.
    gcTime: 0,
    placeholderData: (before) => before,
  });
  return useMemo(() => {
    if (!data) return null;
    const cells = new Map(data.rows.map((row) => [row.object.metadata.uid, row.cells]));
    const theirs = data.columnDefinitions.map<Column>((column, index) => ({
      id: `printed-${column.name}`,
      header: column.name,
      value: (item) => {
        const cell = cells.get(item.uid)?.[index];
        return cell === null || cell === undefined
          ? undefined
          : typeof cell === "number"
            ? cell
            : String(cell);
      },
      as: column.type === "integer" || column.type === "number" ? "number" : "text",
      // After the name, the first says the most.
      priority: column.priority > 0 ? 2 : index <= 1 ? 0 : 1,
    }));
    const [name, ...rest] = kind.columns.filter(({ id }) => id !== "state");
    const own = theirs.filter(({ header }) => !OURS.has(header.toLowerCase()));
    const namespaceColumn = rest.filter(({ id }) => id === "namespace");
    const age = rest.filter(({ id }) => id === "age");
    return [...(name ? [name] : []), ...namespaceColumn, ...own, ...age];
  }, [data, kind]);
}

/** Of a list as a whole: another one when any of it has changed. */
function versionOf(items: readonly Resource<any>[]): string {
  const newest = items.reduce((most, { resourceVersion }) => Math.max(most, Number(resourceVersion)), 0);
  return `${newest}/${items.length}`;
}

/**
 * The one table of the dashboard: a list is a kind's columns over it. Rows beyond the window are not drawn, so 5,000
 * cost as much as 50. Arrow keys move between rows, Enter opens.
 */
import { Table, UnstyledButton } from "@mantine/core";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import {
  type ColumnDef,
  flexRender,
  functionalUpdate,
  getCoreRowModel,
  type SortingState,
  useReactTable,
} from "@tanstack/react-table";
import { type Range, useWindowVirtualizer } from "@tanstack/react-virtual";
import {
  type KeyboardEvent,
  memo,
  type MouseEvent,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { navigate } from "wouter/use-browser-location";
import type { Column } from "../lib/kinds/column";
import { beginsWithLargest, sortKey } from "../lib/kinds/sortKey";
import type { Resource } from "../lib/kinds/resource";
import * as links from "../lib/links";
import { messages } from "../lib/messages";
import * as sortings from "../lib/sorting";
import { usageStore } from "../lib/usage/store";
import type { WireObject } from "../lib/wire";
import { Cell } from "./cell";
import { type Pick, PickAll, type Selection, usePick } from "./selection";

type Any = Resource<WireObject>;

interface Props {
  label: string;
  items: readonly Any[];
  columns: readonly Column<any>[];
  /** Where a row leads; by default to the object's page. */
  linkTo?: (item: Any) => string | undefined;
  /** Kept by whoever shows the table; otherwise the table keeps it. */
  sorting?: { by: string; set: (by: string) => void };
  /** Rows can be selected. */
  selection?: Selection;
}

const NO_ROWS: Any[] = [];
const ROW_HEIGHT = 41;
/** So many rows more than are in sight are drawn, above and below. */
const OVERSCAN = 12;
/** They come and go so many at once: each time the browser lays out the whole table. */
const STEP = 8;
/** Fewer rows than this are all drawn: no need to measure them, and the browser's own search finds them. */
const SMALL = 80;

export function ResourceTable({
  label,
  items,
  columns,
  linkTo = defaultLink,
  sorting: kept,
  selection,
}: Props) {
  const own = useState("");
  const [by, setBy] = kept ? [kept.by, kept.set] : own;
  const sorting = useMemo(() => sortings.parse(by), [by]);
  const definitions = useMemo(() => columns.map(definition), [columns]);
  const rows = useSorted(items, columns, sorting);
  // Columns and sorting are the table's; rows are ours: of thousands that change several times a second it would make
  // objects of its own each time, for the few that are drawn.
  const table = useReactTable({
    data: NO_ROWS,
    columns: definitions,
    state: { sorting },
    manualSorting: true,
    onSortingChange: (change) => setBy(sortings.format(functionalUpdate(change, sorting))),
    getCoreRowModel: getCoreRowModel(),
  });
  const pick = usePick(rows, selection);
  const body = { columns, linkTo, pick, selected: selection?.selected };
  return (
    <div className="table-frame">
      <Table verticalSpacing={8} aria-label={label} aria-rowcount={rows.length + 1} className="resources">
        <Table.Thead>
          {table.getHeaderGroups().map((group) => (
            <Table.Tr key={group.id} aria-rowindex={1}>
              {selection && <PickAll items={items} selection={selection} />}
              {group.headers.map(({ id, column, getContext }) => {
                const sorted = column.getIsSorted();
                const { priority, align } = column.columnDef.meta as Meta;
                return (
                  <Table.Th
                    key={id}
                    data-priority={priority}
                    data-column={id}
                    data-align={align}
                    aria-sort={sorted ? (sorted === "asc" ? "ascending" : "descending") : "none"}
                  >
                    <UnstyledButton onClick={column.getToggleSortingHandler()} className="sort">
                      {flexRender(column.columnDef.header, getContext())}
                      {sorted === "asc" && <IconArrowUp size={12} aria-hidden />}
                      {sorted === "desc" && <IconArrowDown size={12} aria-hidden />}
                    </UnstyledButton>
                  </Table.Th>
                );
              })}
            </Table.Tr>
          ))}
        </Table.Thead>
        {rows.length <= SMALL ? (
          <Table.Tbody onKeyDown={moveFocus}>
            {rows.map((row, index) => (
              <ItemRow key={row.uid} {...rowProps(body, row)} index={index} />
            ))}
          </Table.Tbody>
        ) : (
          <VirtualBody rows={rows} body={body} />
        )}
      </Table>
    </div>
  );
}

/** Use comes after the rows: when it is what they are sorted by, they are sorted anew with it. */
function useSorted(items: readonly Any[], columns: Props["columns"], sorting: SortingState): readonly Any[] {
  const byUse = sorting.some(({ id }) => /Use$/.test(columns.find((column) => column.id === id)?.as ?? ""));
  const version = useSyncExternalStore(usageStore.subscribeAll, () => (byUse ? usageStore.version : 0));
  const byId = useMemo(() => new Map(columns.map((column) => [column.id, column])), [columns]);
  const keyOf = useMemo(
    () => sortings.remembering((id: string, item: Any) => sortKey(byId.get(id) as Column<any>, item)),
    [byId, version],
  );
  const before = useRef(items);
  return useMemo(() => {
    const known = sorting.filter(({ id }) => byId.has(id));
    return (before.current = sortings.sorted(items, known, keyOf, before.current));
  }, [items, byId, sorting, keyOf]);
}

/** What all rows have in common. */
interface Body {
  columns: Props["columns"];
  linkTo: LinkTo;
  pick: Pick | undefined;
  selected: ReadonlySet<string> | undefined;
}

function rowProps({ columns, linkTo, pick, selected }: Body, item: Any) {
  return { item, columns, linkTo, ...(pick && { pick, isSelected: selected?.has(item.uid) ?? false }) };
}

function VirtualBody({ rows, body: shared }: { rows: readonly Any[]; body: Body }) {
  const columnCount = shared.columns.length + (shared.pick ? 1 : 0);
  const body = useRef<HTMLTableSectionElement>(null);
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => {
    if (body.current) setOffset(body.current.getBoundingClientRect().top + window.scrollY);
  }, []);
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
    rangeExtractor: inSteps,
    scrollMargin: offset,
    // Sizes are kept by position: by uid they would be kept of every row that ever was.
  });
  const shown = virtual.getVirtualItems();
  const above = (shown[0]?.start ?? offset) - offset;
  const below = virtual.getTotalSize() - ((shown.at(-1)?.end ?? offset) - offset);
  return (
    <tbody ref={body} onKeyDown={moveFocus}>
      {above > 0 && <Spacer height={above} columns={columnCount} />}
      {shown.map(({ index }) => {
        const row = rows[index];
        if (!row) return null;
        return (
          <ItemRow key={row.uid} {...rowProps(shared, row)} index={index} measure={virtual.measureElement} />
        );
      })}
      {below > 0 && <Spacer height={below} columns={columnCount} />}
    </tbody>
  );
}

function inSteps({ startIndex, endIndex, overscan, count }: Range): number[] {
  const from = Math.max(0, Math.floor((startIndex - overscan) / STEP) * STEP);
  const to = Math.min(count, Math.ceil((endIndex + 1 + overscan) / STEP) * STEP);
  return Array.from({ length: to - from }, (_, index) => from + index);
}

function Spacer({ height, columns }: { height: number; columns: number }) {
  return (
    <tr aria-hidden>
      <td colSpan={columns} style={{ height, padding: 0, border: 0 }} />
    </tr>
  );
}

type LinkTo = NonNullable<Props["linkTo"]>;

interface RowProps {
  item: Any;
  columns: Props["columns"];
  index: number;
  linkTo: LinkTo;
  measure?: (element: Element | null) => void;
  pick?: Pick;
  isSelected?: boolean;
}

/** Plain elements: what a component library puts around them costs more than all that is in them (`.resources .row`). */
const ItemRow = memo(function ItemRow({
  item,
  columns,
  index,
  linkTo,
  measure,
  pick,
  isSelected = false,
}: RowProps) {
  const address = linkTo(item);
  const open = (event: MouseEvent) => {
    // A click that ends a selection of text, or on a link, is not one on the row.
    if (!address || window.getSelection()?.toString() || (event.target as Element).closest("a,button,label"))
      return;
    navigate(address);
  };
  return (
    <tr
      ref={measure}
      data-index={index}
      aria-rowindex={index + 2}
      className={address ? "row clickable" : "row"}
      {...(address && { onClick: open })}
      data-selected={isSelected || undefined}
    >
      {pick && (
        <td className="pick">
          <label>
            <input
              type="checkbox"
              aria-label={messages.list.select(item.name)}
              checked={isSelected}
              onChange={(event) => pick(item.uid, (event.nativeEvent as MouseEventInit).shiftKey === true)}
            />
          </label>
        </td>
      )}
      {columns.map((column) => (
        <td
          key={column.id}
          data-priority={column.priority ?? 0}
          data-column={column.id}
          data-align={alignment(column)}
        >
          <Cell column={column} item={item} />
        </td>
      ))}
    </tr>
  );
});

interface Meta {
  priority: number;
  align: "end" | undefined;
}

const AT_THE_END = new Set<Column["as"]>(["number", "bytes", "cores", "cpuUse", "memoryUse", "age"]);

/** Numbers are compared by their last digits. */
function alignment({ as }: Column<any>): "end" | undefined {
  return AT_THE_END.has(as) ? "end" : undefined;
}

function definition(column: Column<any>): ColumnDef<Any> {
  return {
    id: column.id,
    header: column.header,
    // Never asked for a value, but only what has one can be sorted.
    accessorFn: () => undefined,
    sortDescFirst: beginsWithLargest(column),
    meta: { priority: column.priority ?? 0, align: alignment(column) } satisfies Meta,
  };
}

function defaultLink(item: Any): string {
  return links.object(item.info, item.namespace, item.name);
}

/** Up and down move within the column that has the focus; Escape goes to what can be done with the selected rows. */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  const target = event.target as Element;
  const next =
    event.key === "Escape" ? document.querySelector<HTMLElement>(".bulk button") : below(target, event.key);
  if (!next) return;
  event.preventDefault();
  next.focus();
}

const CONTROL = "a, input";

/** The same control of the row above or below; its name, where that row has none there. */
function below(target: Element, key: string): HTMLElement | null | undefined {
  const row = target.closest("tr");
  const next = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }[key];
  const column = target.closest("td")?.dataset.column ?? "";
  return (
    next?.querySelector<HTMLElement>(`td[data-column="${column}"] :is(${CONTROL})`) ??
    next?.querySelector<HTMLElement>(target.matches("input") ? "input" : "a")
  );
}

/**
 * The one table of the dashboard: a list is a kind's columns over it. Rows beyond the window are not drawn, so 5,000
 * cost as much as 50. Arrow keys move between rows, Enter opens.
 */
import { Table, UnstyledButton } from "@mantine/core";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import {
  type ColumnDef,
  flexRender,
  getCoreRowModel,
  getSortedRowModel,
  type Row,
  type SortingState,
  useReactTable,
} from "@tanstack/react-table";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
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
import { useLocation } from "wouter";
import { parseQuantity } from "../lib/format/quantity";
import type { Column } from "../lib/kinds/column";
import type { Resource } from "../lib/kinds/resource";
import * as links from "../lib/links";
import { usageStore } from "../lib/usage/store";
import type { WireObject } from "../lib/wire";
import { Cell } from "./cell";

type Any = Resource<WireObject>;

interface Props {
  label: string;
  items: readonly Any[];
  columns: readonly Column<any>[];
  /** Where a row leads; by default to the object's page. */
  linkTo?: (item: Any) => string | undefined;
}

const ROW_HEIGHT = 41;
/** Fewer rows than this are all drawn: no need to measure them, and the browser's own search finds them. */
const SMALL = 80;

export function ResourceTable({ label, items, columns, linkTo = defaultLink }: Props) {
  const [sorting, setSorting] = useState<SortingState>([]);
  const definitions = useMemo(() => columns.map(definition), [columns]);
  const data = useSorted(items, columns, sorting);
  const table = useReactTable({
    data,
    columns: definitions,
    state: { sorting },
    onSortingChange: setSorting,
    getRowId: (item) => item.uid,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
  });
  const { rows } = table.getRowModel();
  return (
    <div className="table-frame">
      <Table verticalSpacing={8} aria-label={label} aria-rowcount={rows.length + 1} className="resources">
        <Table.Thead>
          {table.getHeaderGroups().map((group) => (
            <Table.Tr key={group.id} aria-rowindex={1}>
              {group.headers.map(({ id, column, getContext }) => {
                const sorted = column.getIsSorted();
                const { priority, align } = column.columnDef.meta as Meta;
                return (
                  <Table.Th
                    key={id}
                    data-priority={priority}
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
              <ItemRow key={row.id} item={row.original} columns={columns} index={index} linkTo={linkTo} />
            ))}
          </Table.Tbody>
        ) : (
          <VirtualBody rows={rows} columns={columns} linkTo={linkTo} />
        )}
      </Table>
    </div>
  );
}

/** Use comes after the rows: when it is what they are sorted by, they are sorted anew with it. */
function useSorted(items: readonly Any[], columns: Props["columns"], sorting: SortingState): Any[] {
  const byUse = sorting.some(({ id }) => /Use$/.test(columns.find((column) => column.id === id)?.as ?? ""));
  const version = useSyncExternalStore(usageStore.subscribeAll, () => (byUse ? usageStore.version : 0));
  return useMemo(() => (version ? [...items] : (items as Any[])), [items, version]);
}

function VirtualBody({
  rows,
  columns,
  linkTo,
}: {
  rows: Row<Any>[];
  columns: Props["columns"];
  linkTo: LinkTo;
}) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => {
    if (body.current) setOffset(body.current.getBoundingClientRect().top + window.scrollY);
  }, []);
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
    scrollMargin: offset,
    getItemKey: (index) => rows[index]?.id ?? index,
  });
  const shown = virtual.getVirtualItems();
  const above = (shown[0]?.start ?? offset) - offset;
  const below = virtual.getTotalSize() - ((shown.at(-1)?.end ?? offset) - offset);
  return (
    <tbody ref={body} onKeyDown={moveFocus}>
      {above > 0 && <Spacer height={above} columns={columns.length} />}
      {shown.map(({ index }) => {
        const row = rows[index];
        if (!row) return null;
        return (
          <ItemRow
            key={row.id}
            item={row.original}
            columns={columns}
            index={index}
            linkTo={linkTo}
            measure={virtual.measureElement}
          />
        );
      })}
      {below > 0 && <Spacer height={below} columns={columns.length} />}
    </tbody>
  );
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
}

const ItemRow = memo(function ItemRow({ item, columns, index, linkTo, measure }: RowProps) {
  const [, navigate] = useLocation();
  const address = linkTo(item);
  const open = (event: MouseEvent) => {
    // A click that ends a selection of text, or on a link, is not one on the row.
    if (!address || window.getSelection()?.toString() || (event.target as Element).closest("a,button"))
      return;
    navigate(address);
  };
  return (
    <Table.Tr
      ref={measure}
      data-index={index}
      aria-rowindex={index + 2}
      {...(address && { className: "clickable", onClick: open })}
    >
      {columns.map((column) => (
        <Table.Td
          key={column.id}
          data-priority={column.priority ?? 0}
          data-column={column.id}
          data-align={alignment(column)}
        >
          <Cell column={column} item={item} />
        </Table.Td>
      ))}
    </Table.Tr>
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
    accessorFn: (item) => sortable(column, item),
    meta: { priority: column.priority ?? 0, align: alignment(column) } satisfies Meta,
    sortUndefined: "last",
  };
}

/** Numbers by size, `3/5` by what is ready, ages newest first, texts as they are. */
function sortable(column: Column<any>, item: Any): string | number | undefined {
  const value = column.value(item);
  if (column.as === "age") return value ? -Date.parse(String(value)) : undefined;
  if (typeof value === "number" || value === undefined) return value;
  if (column.as === "number" || column.as === "replicas") {
    const number = Number.parseFloat(String(value));
    return Number.isNaN(number)
      ? String(value)
      : /^[\d.]+[A-Za-z]/.test(String(value))
        ? parseQuantity(String(value))
        : number;
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value).toLowerCase();
}

function defaultLink(item: Any): string {
  return links.object(item.info, item.namespace, item.name);
}

/** Up and down move between the links of the column that has the focus. */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const row = (event.target as Element).closest("tr");
  if (!step || !row) return;
  const next = step > 0 ? row.nextElementSibling : row.previousElementSibling;
  const link = next?.querySelector<HTMLElement>("a");
  if (!link) return;
  event.preventDefault();
  link.focus();
}

import { ScrollArea, Table, Text, UnstyledButton } from "@mantine/core";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import {
  type ColumnDef,
  flexRender,
  getCoreRowModel,
  getSortedRowModel,
  type SortingState,
  useReactTable,
} from "@tanstack/react-table";
import { useState } from "react";
import type { Resource } from "../lib/kinds/resource";
import type { WireObject } from "../lib/wire";

interface Props<R> {
  label: string;
  items: R[];
  columns: ColumnDef<R>[];
  emptyText: string;
  onOpen?: (item: R) => void;
}

/** The one table of the dashboard: a list page is a list of columns over it. */
export function ResourceTable<R extends Resource<WireObject>>({
  label,
  items,
  columns,
  emptyText,
  onOpen,
}: Props<R>) {
  const [sorting, setSorting] = useState<SortingState>([]);
  const table = useReactTable({
    data: items,
    columns,
    state: { sorting },
    onSortingChange: setSorting,
    getRowId: (item) => item.uid,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
  });
  if (items.length === 0) {
    return (
      <Text c="dimmed" py="xl" ta="center">
        {emptyText}
      </Text>
    );
  }
  return (
    <ScrollArea>
      <Table highlightOnHover={onOpen !== undefined} verticalSpacing="xs" aria-label={label}>
        <Table.Thead>
          {table.getHeaderGroups().map((group) => (
            <Table.Tr key={group.id}>
              {group.headers.map((header) => {
                const sorted = header.column.getIsSorted();
                return (
                  <Table.Th
                    key={header.id}
                    aria-sort={sorted ? (sorted === "asc" ? "ascending" : "descending") : "none"}
                  >
                    <UnstyledButton onClick={header.column.getToggleSortingHandler()} fz="sm" fw={600}>
                      {flexRender(header.column.columnDef.header, header.getContext())}
                      {sorted === "asc" && <IconArrowUp size={12} aria-hidden />}
                      {sorted === "desc" && <IconArrowDown size={12} aria-hidden />}
                    </UnstyledButton>
                  </Table.Th>
                );
              })}
            </Table.Tr>
          ))}
        </Table.Thead>
        <Table.Tbody>
          {table.getRowModel().rows.map((row) => (
            <Table.Tr
              key={row.id}
              {...(onOpen && {
                className: "clickable",
                tabIndex: 0,
                onClick: () => onOpen(row.original),
                onKeyDown: (event) => event.key === "Enter" && onOpen(row.original),
              })}
            >
              {row.getVisibleCells().map((cell) => (
                <Table.Td key={cell.id}>{flexRender(cell.column.columnDef.cell, cell.getContext())}</Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </ScrollArea>
  );
}

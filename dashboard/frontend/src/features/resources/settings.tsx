/** How a kind's list looks: its columns and their order. In the address, so that a link brings it along; and kept for the next time. */
import { Button, Checkbox, Popover, Stack } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { IconColumns3 } from "@tabler/icons-react";
import { useMemo } from "react";
import { useParameter } from "../../components/hooks";
import type { Column } from "../../lib/kinds/column";
import * as common from "../../lib/kinds/columns";
import type { KindInfo } from "../../lib/kinds/info";
import { slug } from "../../lib/kinds/registry";
import { messages } from "../../lib/messages";

/** The address goes first; without it what was chosen last. */
function useKept(name: string, key: string): [string, (value: string) => void] {
  const [linked, setLinked] = useParameter(name);
  const [kept, setKept] = useLocalStorage({
    key: `slipway-list:${key}:${name}`,
    defaultValue: "",
    getInitialValueInEffect: false,
  });
  const set = (value: string) => {
    setKept(value);
    setLinked(value);
  };
  return [linked || kept, set];
}

export interface ListSettings {
  sorting: { by: string; set: (by: string) => void };
  /** Those that are shown. */
  columns: readonly Column<any>[];
  /** Those that could be. */
  all: readonly Column<any>[];
  choose: (ids: readonly string[]) => void;
}

export function useListSettings(info: KindInfo, own: readonly Column<any>[]): ListSettings {
  const [by, setBy] = useKept("sort", slug(info));
  const [chosen, setChosen] = useKept("columns", slug(info));
  const all = useMemo(() => [...own, ...EXTRA.filter(({ id }) => !own.some((one) => one.id === id))], [own]);
  const columns = useMemo(() => pick(own, all, chosen), [own, all, chosen]);
  const choose = (ids: readonly string[]) => setChosen(sameAs(ids, own) ? "" : ids.join(","));
  return { sorting: { by, set: setBy }, columns, all, choose };
}

const EXTRA: readonly Column<any>[] = [common.labels, common.owner, common.uid];

/** What somebody has chosen is shown on narrow pages, too. Names that mean nothing here are left out. */
function pick(
  own: readonly Column<any>[],
  all: readonly Column<any>[],
  chosen: string,
): readonly Column<any>[] {
  const ids = new Set(chosen.split(",").filter(Boolean));
  const found = all.filter(({ id }) => ids.has(id) || id === "name");
  return chosen && found.length > 0 ? found.map((column) => ({ ...column, priority: 0 as const })) : own;
}

function sameAs(ids: readonly string[], own: readonly Column<any>[]): boolean {
  return ids.length === own.length && own.every(({ id }) => ids.includes(id));
}

export function ColumnChooser({ settings: { all, columns, choose } }: { settings: ListSettings }) {
  const shown = new Set(columns.map(({ id }) => id));
  const turn = (id: string) =>
    choose(all.filter((column) => (column.id === id) !== shown.has(column.id)).map((column) => column.id));
  return (
    <Popover position="bottom-end" withinPortal trapFocus returnFocus>
      <Popover.Target>
        <Button size="sm" variant="default" leftSection={<IconColumns3 size={14} aria-hidden />}>
          {messages.list.columns}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap="xs">
          {all.map(({ id, header }) => (
            <Checkbox
              key={id}
              label={header}
              checked={shown.has(id)}
              // Without its name a row is nothing to go by.
              disabled={id === "name"}
              onChange={() => turn(id)}
              size="sm"
            />
          ))}
          <Button size="compact-sm" variant="default" onClick={() => choose([])}>
            {messages.list.columnsReset}
          </Button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}

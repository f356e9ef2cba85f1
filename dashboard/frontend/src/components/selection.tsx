/** Selecting rows of a table: one, a range, all. */
import { Table } from "@mantine/core";
import { useCallback, useRef } from "react";
import type { Resource } from "../lib/kinds/resource";
import { messages } from "../lib/messages";
import type { WireObject } from "../lib/wire";

type Any = Resource<WireObject>;

export interface Selection {
  selected: ReadonlySet<string>;
  /** Of some rows, by uid. */
  select: (uids: readonly string[], isSelected: boolean) => void;
}

export type Pick = (uid: string, isRange: boolean) => void;

/** Turns one row over; with shift all from the one before to this one. It stays the same function, so that rows are not drawn anew. */
export function usePick(rows: readonly Any[], selection: Selection | undefined): Pick | undefined {
  const latest = useRef({ rows, selection });
  latest.current = { rows, selection };
  const last = useRef("");
  const pick = useCallback((uid: string, isRange: boolean) => {
    const { rows: shown, selection: current } = latest.current;
    if (!current) return;
    const isSelected = !current.selected.has(uid);
    const ids = shown.map(({ uid: each }) => each);
    const [from, to] = [ids.indexOf(last.current), ids.indexOf(uid)].sort((a, b) => a - b) as [
      number,
      number,
    ];
    current.select(isRange && from >= 0 ? ids.slice(from, to + 1) : [uid], isSelected);
    last.current = uid;
  }, []);
  return selection && pick;
}

export function PickAll({
  items,
  selection: { selected, select },
}: {
  items: readonly Any[];
  selection: Selection;
}) {
  const count = items.filter(({ uid }) => selected.has(uid)).length;
  const isAll = count > 0 && count === items.length;
  return (
    <Table.Th className="pick">
      <label>
        <input
          type="checkbox"
          aria-label={messages.list.selectAll}
          checked={isAll}
          ref={(box) => {
            if (box) box.indeterminate = count > 0 && !isAll;
          }}
          onChange={() =>
            select(
              items.map(({ uid }) => uid),
              !isAll,
            )
          }
        />
      </label>
    </Table.Th>
  );
}

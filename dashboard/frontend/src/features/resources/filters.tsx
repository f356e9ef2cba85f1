import { Button, Group, Select, TextInput } from "@mantine/core";
import { IconSearch, IconTag } from "@tabler/icons-react";
import { type ReactNode, useRef } from "react";
import { useParameter, useSingleKey } from "../../components/hooks";
import * as filters from "../../lib/filter";
import type { Resource } from "../../lib/kinds/resource";
import { messages } from "../../lib/messages";
import * as selectors from "../../lib/selectors";
import type { WireObject } from "../../lib/wire";

/** The filter of a list, in the page's address: text `q`, `labels`, `state`. */
export function useFilter() {
  const [text, setText] = useParameter("q");
  const [labels, setLabels] = useParameter("labels");
  const [state, setState] = useParameter("state");
  return { filter: { text, labels, state }, setText, setLabels, setState };
}

type Controls = ReturnType<typeof useFilter>;

interface Props {
  controls: Controls;
  items: readonly Resource<WireObject>[];
  /** What stands beside them. */
  children?: ReactNode;
}

export function Filters({ controls, items, children }: Props) {
  const { filter, setText, setLabels, setState } = controls;
  const field = useRef<HTMLInputElement>(null);
  useSingleKey("/", () => field.current?.focus());
  const states = filters.states(items);
  const chosen = filter.state && !states.includes(filter.state) ? [filter.state, ...states] : states;
  const isBad = selectors.parse(filter.labels) === null;
  return (
    <Group gap="xs" className="filters">
      <TextInput
        ref={field}
        aria-label={messages.list.filter}
        placeholder={`${messages.list.filter}  ( / )`}
        leftSection={<IconSearch size={14} aria-hidden />}
        value={filter.text}
        onChange={(event) => setText(event.currentTarget.value)}
        size="sm"
      />
      <TextInput
        aria-label={messages.list.labels}
        placeholder={messages.list.labels}
        leftSection={<IconTag size={14} aria-hidden />}
        value={filter.labels}
        onChange={(event) => setLabels(event.currentTarget.value)}
        error={isBad && messages.list.badLabels}
        size="sm"
      />
      {chosen.length > 0 && (
        <Select
          aria-label={messages.list.state}
          placeholder={messages.list.anyState}
          data={chosen}
          value={filter.state || null}
          onChange={(value) => setState(value ?? "")}
          clearable
          size="sm"
          w={170}
        />
      )}
      {children}
    </Group>
  );
}

export function ClearFilters({ controls }: { controls: Controls }) {
  const clear = () => {
    controls.setText("");
    controls.setLabels("");
    controls.setState("");
  };
  return (
    <Button size="xs" variant="default" onClick={clear}>
      {messages.list.clear}
    </Button>
  );
}

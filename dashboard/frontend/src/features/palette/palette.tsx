/** Ctrl-K: go anywhere by name. Fed from the kinds there are, the pages, and the objects that live now. */
import { Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import fuzzysort from "fuzzysort";
import { type KeyboardEvent, useMemo, useState } from "react";
import { useLocation } from "wouter";
import { Dialog } from "../../components/dialog";
import { useRegistry } from "../../components/hooks";
import type { ResourceClass } from "../../lib/kinds/resource";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/hooks";
import { OWN_PAGES } from "../pages";
import { titleOf } from "../resources/list";

interface Entry {
  key: string;
  title: string;
  hint: string;
  words: string;
  run: () => void;
}

/** Kinds whose objects can be gone to by name. */
const SEARCHED = [
  "apps/Deployment",
  "apps/StatefulSet",
  "apps/DaemonSet",
  "batch/Job",
  "batch/CronJob",
  "/Pod",
  "/Service",
  "networking.k8s.io/Ingress",
  "/Node",
  "/Namespace",
  "/ConfigMap",
];
const MOST = 30;
const text = messages.palette;

interface Props {
  actions: readonly { title: string; run: () => void }[];
  onClose: () => void;
}

export function Palette({ actions, onClose }: Props) {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const entries = useEntries(actions);
  const found = useMemo(() => search(entries, query), [entries, query]);
  const chosen = Math.min(at, found.length - 1);
  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    entry.run();
  };
  const keys = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length > 0) {
      event.preventDefault();
      setAt((chosen + step + found.length) % found.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(found[chosen]);
    }
  };
  return (
    <Dialog
      onClose={onClose}
      withCloseButton={false}
      centered={false}
      padding={0}
      yOffset="10vh"
      size="lg"
      aria-label={text.title}
    >
      <TextInput
        data-autofocus
        aria-label={text.placeholder}
        placeholder={text.placeholder}
        leftSection={<IconSearch size={16} aria-hidden />}
        variant="unstyled"
        size="md"
        px="sm"
        value={query}
        onChange={(event) => {
          setQuery(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={keys}
        role="combobox"
        aria-expanded
        aria-controls="palette-list"
        aria-activedescendant={found[chosen] ? `palette-${chosen}` : undefined}
      />
      <ul id="palette-list" role="listbox" className="palette" aria-label={text.title}>
        {found.map((entry, index) => (
          <li
            key={entry.key}
            id={`palette-${index}`}
            role="option"
            aria-selected={index === chosen}
            ref={(element) => {
              if (index === chosen) element?.scrollIntoView({ block: "nearest" });
            }}
            onMouseMove={() => setAt(index)}
            onClick={() => run(entry)}
          >
            <span className="breakable">{entry.title}</span>
            <Text size="xs" c="dimmed" component="span">
              {entry.hint}
            </Text>
          </li>
        ))}
      </ul>
      {found.length === 0 && (
        <Text c="dimmed" ta="center" p="md" role="status">
          {text.empty}
        </Text>
      )}
    </Dialog>
  );
}

function useEntries(actions: Props["actions"]): Entry[] {
  const [, navigate] = useLocation();
  const registry = useRegistry();
  const objects = useObjects();
  return useMemo(() => {
    const pages = OWN_PAGES.map(({ path, title }) =>
      entry(path, title, text.pages, title, () => navigate(path)),
    );
    const kinds = registry.all.map((kind) => {
      const address = links.list(kind.info);
      const words = [titleOf(kind), kind.info.plural, ...kind.info.shortNames].join(" ");
      return entry(address, titleOf(kind), kind.info.group || text.pages, words, () => navigate(address));
    });
    const things = objects.map((item) => {
      const address = links.object(item.info, item.namespace, item.name);
      const hint = [item.info.kind, item.namespace].filter(Boolean).join(" · ");
      return entry(address, item.name, hint, `${item.name} ${hint}`, () => navigate(address));
    });
    const others = actions.map(({ title, run }) => entry(`action:${title}`, title, text.actions, title, run));
    return [...pages, ...kinds, ...others, ...things];
  }, [registry, objects, actions, navigate]);
}

function entry(key: string, title: string, hint: string, words: string, run: () => void): Entry {
  return { key, title, hint, words, run };
}

/** Hooks are called in the same order always: the list is a constant. */
function useObjects() {
  const registry = useRegistry();
  const lists = SEARCHED.map((key) => {
    const [group = "", kind = ""] = key.split("/");
    // eslint-disable-next-line react-hooks/rules-of-hooks
    return useResources(registry.find(group, kind) as ResourceClass).items;
  });
  // eslint-disable-next-line react-hooks/exhaustive-deps
  return useMemo(() => lists.flat(), lists);
}

function search(entries: readonly Entry[], query: string): Entry[] {
  if (!query.trim()) return entries.slice(0, MOST);
  return fuzzysort.go(query, entries, { key: "words", limit: MOST }).map(({ obj }) => obj);
}

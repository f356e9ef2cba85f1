/** The log viewer: lines of one or many containers, followed, searched, filtered, downloaded. */
import { ActionIcon, Button, Checkbox, Group, Popover, Text, TextInput, Tooltip } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import {
  IconArrowDown,
  IconArrowUp,
  IconDownload,
  IconEraser,
  IconFilter,
  IconLetterCase,
  IconPlayerTrackNext,
  IconRegex,
  IconSearch,
  IconSettings,
} from "@tabler/icons-react";
import { type ReactNode, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { compile, isValid, test as passes } from "../../lib/log/search";
import type { LogOptions, LogSource } from "../../lib/log/stream";
import { messages } from "../../lib/messages";
import { download } from "./download";
import { Lines } from "./lines";
import { LogSession } from "./session";

const text = messages.logs;

interface Props {
  /** Keep it the same while it means the same: it is what is followed. */
  sources: readonly LogSource[];
  options: LogOptions;
  fileName: string;
  controls?: ReactNode;
}

export function LogViewer({ sources, options, fileName, controls }: Props) {
  const session = useSession(sources, options);
  const { view, round, state, message } = useSyncExternalStore(session.subscribe, () => session.snapshot);
  const [look, setLook] = useLocalStorage({
    key: "slipway-log",
    defaultValue: { wrap: true, timestamps: false },
    getInitialValueInEffect: false,
  });
  const [following, setFollowing] = useState(true);
  const [search, setSearch] = useState({ text: "", regex: false, matchCase: false });
  const [onlyMatches, setOnlyMatches] = useState(false);
  const [goTo, setGoTo] = useState<{ index: number; at: number } | null>(null);
  const pattern = useMemo(() => compile(search), [search]);
  const prefixes = usePrefixes(session.sources, sources.length);
  const fullLook = useMemo(() => ({ ...look, pattern, prefixes }), [look, pattern, prefixes]);

  useEffect(() => {
    session.setTest(onlyMatches && pattern ? (line) => passes(pattern, line.text) : null);
    setGoTo(null);
  }, [session, pattern, onlyMatches]);

  const find = (step: 1 | -1) => {
    if (!pattern) return;
    const from = goTo ? goTo.index + step : step > 0 ? 0 : view.length - 1;
    const index = view.find((line) => passes(pattern, line.text), from, step);
    if (index < 0) return;
    setFollowing(false);
    setGoTo({ index, at: Date.now() });
  };

  return (
    <div className="log-viewer">
      <Group gap="xs" mb="xs" className="log-tools">
        {controls}
        <TextInput
          aria-label={text.search}
          placeholder={text.search}
          leftSection={<IconSearch size={14} aria-hidden />}
          value={search.text}
          onChange={(event) => setSearch({ ...search, text: event.currentTarget.value })}
          onKeyDown={(event) => event.key === "Enter" && find(event.shiftKey ? -1 : 1)}
          error={!isValid(search) && text.badRegex}
          size="xs"
          className="log-search"
        />
        <ActionIcon.Group>
          <Toggle
            on={search.regex}
            label={text.regex}
            Icon={IconRegex}
            onChange={(regex) => setSearch({ ...search, regex })}
          />
          <Toggle
            on={search.matchCase}
            label={text.matchCase}
            Icon={IconLetterCase}
            onChange={(matchCase) => setSearch({ ...search, matchCase })}
          />
          <Toggle on={onlyMatches} label={text.filter} Icon={IconFilter} onChange={setOnlyMatches} />
        </ActionIcon.Group>
        <ActionIcon.Group>
          <Press label={text.previousMatch} Icon={IconArrowUp} onClick={() => find(-1)} disabled={!pattern} />
          <Press label={text.next} Icon={IconArrowDown} onClick={() => find(1)} disabled={!pattern} />
        </ActionIcon.Group>
        <ActionIcon.Group>
          <Press
            label={text.download}
            Icon={IconDownload}
            onClick={() => download(view, session.sources, fileName)}
            disabled={view.length === 0}
          />
          <Press label={text.clear} Icon={IconEraser} onClick={() => session.clear()} />
          <Popover position="bottom-end" trapFocus returnFocus>
            <Popover.Target>
              <ActionIcon variant="default" size={30} aria-label={text.look}>
                <IconSettings size={16} />
              </ActionIcon>
            </Popover.Target>
            <Popover.Dropdown p="xs">
              <Checkbox
                label={text.wrap}
                checked={look.wrap}
                onChange={(event) => setLook({ ...look, wrap: event.currentTarget.checked })}
                mb="xs"
              />
              <Checkbox
                label={text.timestamps}
                checked={look.timestamps}
                onChange={(event) => setLook({ ...look, timestamps: event.currentTarget.checked })}
              />
            </Popover.Dropdown>
          </Popover>
        </ActionIcon.Group>
      </Group>
      <div className="log-box">
        <Lines
          view={view}
          round={round}
          look={fullLook}
          following={following}
          onFollowing={setFollowing}
          goTo={goTo}
        />
        {!following && (
          <Button
            className="log-follow"
            size="xs"
            leftSection={<IconPlayerTrackNext size={14} aria-hidden />}
            onClick={() => setFollowing(true)}
          >
            {text.follow}
          </Button>
        )}
      </div>
      <Group justify="space-between" mt={4}>
        <Text size="xs" c="dimmed" role="status">
          {stateText(state, message)}
        </Text>
        <Text size="xs" c="dimmed" className="number">
          {session.dropped > 0 && `${text.dropped(session.dropped)} · `}
          {text.lines(view.length, session.total)}
        </Text>
      </Group>
    </div>
  );
}

/** A session for each choice of options; its sources come and go while it runs. */
function useSession(sources: readonly LogSource[], { previous, since, until }: LogOptions): LogSession {
  const session = useMemo(() => new LogSession({ previous, since, until }), [previous, since, until]);
  useEffect(() => session.follow(sources), [session, sources]);
  useEffect(() => () => session.close(), [session]);
  return session;
}

/** `web-x7k/main`: short enough to stand in front of a line. Null when there is one source only. */
function usePrefixes(all: readonly LogSource[], count: number): string[] | null {
  return useMemo(() => {
    if (all.length < 2) return null;
    const pods = new Set(all.map(({ pod }) => pod));
    const containers = new Set(all.map(({ container }) => container));
    return all.map(({ pod, container }) => {
      const short = pods.size > 1 ? pod.split("-").slice(-2).join("-") : "";
      return [short, containers.size > 1 ? container : ""].filter(Boolean).join("/");
    });
  }, [all, all.length, count]);
}

function stateText(state: string, message: string): string {
  if (state === "open") return text.following;
  if (state === "ended") return message || text.ended;
  return state === "lost" ? message || text.lost : messages.loading;
}

interface ToggleProps {
  on: boolean;
  label: string;
  Icon: typeof IconRegex;
  onChange: (on: boolean) => void;
}

function Toggle({ on, label, Icon, onChange }: ToggleProps) {
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant={on ? "filled" : "default"}
        size={30}
        aria-label={label}
        aria-pressed={on}
        onClick={() => onChange(!on)}
      >
        <Icon size={16} />
      </ActionIcon>
    </Tooltip>
  );
}

interface PressProps {
  label: string;
  Icon: typeof IconRegex;
  onClick: () => void;
  disabled?: boolean;
}

function Press({ label, Icon, onClick, disabled = false }: PressProps) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="default" size={30} aria-label={label} onClick={onClick} disabled={disabled}>
        <Icon size={16} />
      </ActionIcon>
    </Tooltip>
  );
}

/** One group of a topology as a picture: boxes that are links, lines between them. */
import { useElementSize } from "@mantine/hooks";
import { IconShieldHalf } from "@tabler/icons-react";
import { type KeyboardEvent, memo, useMemo, useState } from "react";
import { Link as RouterLink } from "wouter";
import { useRegistry } from "../../components/hooks";
import { StatusBadge, StatusIcon } from "../../components/statusBadge";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { layout, type Placed, related } from "../../lib/network/layout";
import type { Box, Group, PodMark } from "../../lib/network/topology";
import "./network.css";

const text = messages.network;
/** Heights in pixels of what `network.css` draws. */
const SIZE = { padding: 18, title: 20, line: 18, policies: 26, pod: 24, mark: 28 };
/** So many pods have their names; more are marks, and beyond the most a number. */
const NAMED = 6;
const MOST = 60;

export const Picture = memo(function Picture({ group }: { group: Group }) {
  const { ref, width } = useElementSize();
  const [chosen, choose] = useState<string | null>(null);
  const drawn = useMemo(() => (width > 0 ? layout(group, { width, heightOf }) : null), [group, width]);
  const bright = useMemo(() => (chosen ? related(group.links, chosen) : null), [group, chosen]);
  return (
    <div
      ref={ref}
      className="topology"
      role="group"
      aria-label={text.label(group.boxes.length, group.links.length)}
      style={{ height: drawn?.height }}
      onKeyDown={(event) => move(event, group)}
    >
      {drawn && (
        <>
          <svg width={drawn.width} height={drawn.height} aria-hidden className="topology-lines">
            {drawn.paths.map(({ link, d }) => (
              <path
                key={`${link.from} ${link.to}`}
                d={d}
                className={`line-${link.health}`}
                data-dim={(bright !== null && !(bright.has(link.from) && bright.has(link.to))) || undefined}
              />
            ))}
          </svg>
          {drawn.placed.map((placed) => (
            <BoxOf
              key={placed.box.id}
              placed={placed}
              dim={bright !== null && !bright.has(placed.box.id)}
              onChoose={choose}
            />
          ))}
        </>
      )}
    </div>
  );
});

function heightOf(box: Box, width: number): number {
  const { padding, title, line, policies, pod, mark } = SIZE;
  if (box.column === 3) {
    if (box.pods.length <= NAMED) return padding + box.pods.length * pod;
    const perRow = Math.max(1, Math.floor((width - padding) / mark));
    const marks = Math.min(box.pods.length, MOST + 1);
    return padding + title + Math.ceil(marks / perRow) * mark;
  }
  const lines = (box.detail ? 1 : 0) + (box.state ? 1 : 0);
  return padding + title + lines * line + (box.policies.length > 0 ? policies : 0);
}

interface BoxProps {
  placed: Placed;
  dim: boolean;
  onChoose: (id: string | null) => void;
}

function BoxOf({ placed: { box, x, y, width, height }, dim, onChoose }: BoxProps) {
  const registry = useRegistry();
  const address = box.to && links.reference(registry, box.to);
  const choose = () => onChoose(box.id);
  return (
    <div
      className={`box box-${box.health}`}
      data-column={box.column}
      data-box={box.id}
      data-dim={dim || undefined}
      style={{ left: x, top: y, width, height }}
      onMouseEnter={choose}
      onMouseLeave={() => onChoose(null)}
      onFocus={choose}
      onBlur={() => onChoose(null)}
    >
      {box.column === 3 ? (
        <Pods box={box} />
      ) : (
        <>
          {address ? (
            <RouterLink href={address} className="box-title" title={box.title} data-main>
              {box.title}
            </RouterLink>
          ) : (
            <span className="box-title" title={box.title} tabIndex={0} role="note" data-main>
              {box.title}
            </span>
          )}
          {box.detail && (
            <span className="box-detail" title={box.detail}>
              {box.detail}
            </span>
          )}
          {box.state && (
            <span className="box-state" title={box.state}>
              <StatusBadge health={box.health}>{box.state}</StatusBadge>
            </span>
          )}
          {box.policies.length > 0 && <Policies box={box} />}
        </>
      )}
    </div>
  );
}

function Policies({ box }: { box: Box }) {
  const registry = useRegistry();
  return (
    <span className="box-policies">
      <IconShieldHalf size={14} role="img" aria-label={text.policiesTitle} />
      {box.policies.map((policy) => (
        <RouterLink
          key={policy.name}
          href={links.reference(registry, policy.to) ?? ""}
          title={policy.text}
          aria-label={policy.text}
        >
          {policy.name}
        </RouterLink>
      ))}
    </span>
  );
}

function Pods({ box }: { box: Box }) {
  if (box.pods.length <= NAMED) {
    return (
      <ul className="box-pods">
        {box.pods.map((pod) => (
          <li key={pod.name}>
            <PodLink pod={pod} named />
          </li>
        ))}
      </ul>
    );
  }
  return (
    <>
      <span className="box-title">{box.title}</span>
      <ul className="box-marks">
        {box.pods.slice(0, MOST).map((pod) => (
          <li key={pod.name}>
            <PodLink pod={pod} />
          </li>
        ))}
        {box.pods.length > MOST && <li className="number">{text.morePods(box.pods.length - MOST)}</li>}
      </ul>
    </>
  );
}

function PodLink({ pod, named = false }: { pod: PodMark; named?: boolean }) {
  const registry = useRegistry();
  const label = text.podMark(pod.name, pod.state);
  return (
    <RouterLink
      href={links.reference(registry, pod.to) ?? ""}
      className={`pod-mark status-${pod.health}`}
      title={label}
      aria-label={label}
      data-main
    >
      <StatusIcon health={pod.health} />
      {named && <span className="pod-name">{pod.name}</span>}
    </RouterLink>
  );
}

/** Left and right along the lines, up and down within a column. */
function move(event: KeyboardEvent<HTMLElement>, group: Group): void {
  const here = (event.target as Element).closest<HTMLElement>("[data-box]");
  if (!here || !event.key.startsWith("Arrow")) return;
  const id = here.dataset.box ?? "";
  const boxes = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-box]")];
  const byId = (wanted: string | undefined) => boxes.find((box) => box.dataset.box === wanted);
  const steps: Record<string, () => HTMLElement | undefined> = {
    ArrowRight: () => byId(group.links.find(({ from }) => from === id)?.to),
    ArrowLeft: () => byId(group.links.find(({ to }) => to === id)?.from),
    ArrowDown: () => neighbour(here, boxes, 1),
    ArrowUp: () => neighbour(here, boxes, -1),
  };
  const next = steps[event.key]?.();
  const target = next?.querySelector<HTMLElement>("[data-main]");
  if (!target) return;
  event.preventDefault();
  target.focus();
}

function neighbour(here: HTMLElement, boxes: HTMLElement[], step: 1 | -1): HTMLElement | undefined {
  const column = boxes
    .filter((box) => box.dataset.column === here.dataset.column)
    .sort((a, b) => a.offsetTop - b.offsetTop);
  return column[column.indexOf(here) + step];
}

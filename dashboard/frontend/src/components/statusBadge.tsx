import { IconCircleCheck, IconCircleDashed, IconProgress, IconAlertTriangle } from "@tabler/icons-react";
import type { Health, Resource } from "../lib/kinds/resource";
import type { WireObject } from "../lib/wire";

const ICONS: Record<Health, typeof IconProgress> = {
  good: IconCircleCheck,
  busy: IconProgress,
  bad: IconAlertTriangle,
  idle: IconCircleDashed,
};

/** The shape of a state; its colour is that of the text around it. */
export function StatusIcon({ health }: { health: Health }) {
  const Icon = ICONS[health];
  return <Icon size={14} aria-hidden stroke={2.2} />;
}

/** A state in a word, told by colour and by shape. */
export function StatusBadge({ health, children }: { health: Health; children: string }) {
  return (
    <span className={`status status-${health}`}>
      <StatusIcon health={health} />
      <span>{children}</span>
    </span>
  );
}

/** The state of an object, with the reason under it where it is not well. */
export function ResourceStatus({ of }: { of: Resource<WireObject> }) {
  if (!of.state) return null;
  return (
    <>
      <StatusBadge health={of.health}>{of.state}</StatusBadge>
      {of.trouble && (
        <div className="trouble" title={of.trouble}>
          {of.trouble}
        </div>
      )}
    </>
  );
}

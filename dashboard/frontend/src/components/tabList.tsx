/** A row of tabs that scrolls where it is narrow; the one that is shown is always in sight. */
import { Tabs } from "@mantine/core";
import { type ReactNode, useEffect, useRef } from "react";

export function TabList({
  shown,
  children,
  className,
}: {
  shown: string;
  children: ReactNode;
  className?: string;
}) {
  const row = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const tab = row.current?.querySelector<HTMLElement>("[role=tab][aria-selected=true]");
    if (!row.current || !tab) return;
    // The row alone: `scrollIntoView` would move the page too.
    const hidden = tab.offsetLeft + tab.offsetWidth - row.current.clientWidth;
    row.current.scrollLeft = Math.max(0, hidden + 32);
  }, [shown]);
  return (
    <Tabs.List ref={row} className={className ? `tabs ${className}` : "tabs"} mb="md">
      {children}
    </Tabs.List>
  );
}

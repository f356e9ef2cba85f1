import { Anchor } from "@mantine/core";
import type { MouseEvent, ReactNode } from "react";
import { Link } from "wouter";
import type { Reference } from "../lib/kinds/column";
import * as links from "../lib/links";
import { useRegistry } from "./hooks";

/** A link to an object's page; plain text where there is none. */
export function ResourceLink({ to, children }: { to: Reference | undefined; children: ReactNode }) {
  const registry = useRegistry();
  const address = to && links.reference(registry, to);
  if (!address) return <>{children}</>;
  return (
    <Anchor
      component={Link}
      href={address}
      fz="inherit"
      onClick={(event: MouseEvent) => event.stopPropagation()}
    >
      {children}
    </Anchor>
  );
}

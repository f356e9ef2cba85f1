import type { MouseEvent, ReactNode } from "react";
import { Link } from "wouter";
import type { Reference } from "../lib/kinds/column";
import * as links from "../lib/links";
import { useRegistry } from "./hooks";

/** A link to an object's page; plain text where there is none. Light: a list has several in each row. */
export function ResourceLink({ to, children }: { to: Reference | undefined; children: ReactNode }) {
  const registry = useRegistry();
  const address = to && links.reference(registry, to);
  if (!address) return <>{children}</>;
  return (
    <Link href={address} className="link" onClick={(event: MouseEvent) => event.stopPropagation()}>
      {children}
    </Link>
  );
}

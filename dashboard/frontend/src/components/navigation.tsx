import { Link, useLocation } from "wouter";
import { OWN_PAGES } from "../features/pages";
import { titleOf } from "../features/resources/list";
import type { Section } from "../lib/kinds/info";
import * as links from "../lib/links";
import { messages } from "../lib/messages";
import { useRegistry } from "./hooks";

const SECTIONS: readonly Section[] = [
  "cluster",
  "workloads",
  "network",
  "images",
  "config",
  "storage",
  "policy",
  "custom",
];

/** Every page there is: own pages first in each section, then the kinds. Plain links: they are sixty, in front of every page. */
export function Navigation() {
  const [address] = useLocation();
  const registry = useRegistry();
  const isAt = (path: string) =>
    path === "/" ? address === "/" : address === path || address.startsWith(`${path}/`);
  const entry = (path: string, title: string) => (
    <Link
      key={path}
      href={path}
      className="nav-link"
      {...(isAt(path) && { "aria-current": "page" as const })}
    >
      {title}
    </Link>
  );
  return (
    <div className="nav-scroll">
      {OWN_PAGES.filter(({ section }) => section === null).map(({ path, title }) => entry(path, title))}
      {SECTIONS.map((section) => {
        const pages = OWN_PAGES.filter((page) => page.section === section).map(({ path, title }) => ({
          path,
          title,
        }));
        const kinds = registry
          .section(section)
          .map((kind) => ({ path: links.list(kind.info), title: titleOf(kind) }));
        const all = [...pages, ...kinds];
        if (all.length === 0) return null;
        return (
          <div key={section} role="group" aria-label={messages.sections[section]}>
            <div className="nav-section">{messages.sections[section]}</div>
            {all.map(({ path, title }) => entry(path, title))}
          </div>
        );
      })}
    </div>
  );
}

import { NavLink, Text } from "@mantine/core";
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

/** Every page there is: own pages first in each section, then the kinds. */
export function Navigation() {
  const [address] = useLocation();
  const registry = useRegistry();
  const isAt = (path: string) =>
    path === "/" ? address === "/" : address === path || address.startsWith(`${path}/`);
  const entry = (path: string, title: string) => (
    <NavLink
      key={path}
      component={Link}
      href={path}
      label={title}
      active={isAt(path)}
      {...(isAt(path) && { "aria-current": "page" as const })}
      className="nav-link"
    />
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
            <Text className="nav-section">{messages.sections[section]}</Text>
            {all.map(({ path, title }) => entry(path, title))}
          </div>
        );
      })}
    </div>
  );
}

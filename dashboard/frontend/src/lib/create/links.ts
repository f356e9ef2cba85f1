/** Where an object of a kind is made: by a form where there is one, else as YAML that has begun. Pure. */
import type { KindInfo } from "../kinds/info";
import { slug } from "../kinds/registry";
import { KINDS } from "./form";
import { SMALL_FORMS } from "./small/all";

/** What only comes to be by itself: nodes join, images are pulled, events happen. */
const NOT_MADE = new Set(["Node", "Event", "Image", "Repository", "ControllerRevision"]);

/** Null where nobody makes one by hand. */
export function createLink(info: KindInfo): string | null {
  if (NOT_MADE.has(info.kind) || (info.verbs && !info.verbs.includes("create"))) return null;
  if (info.kind === "Build") return "/build";
  const own = info.group === "" || !info.group.includes(".");
  const small = SMALL_FORMS.find(({ info: known }) => known.kind === info.kind && known.group === info.group);
  if (small) return `/create?as=${small.id}`;
  const isRun = own && (KINDS as readonly string[]).includes(info.kind);
  return `/create?${isRun ? "" : "as=yaml&"}kind=${encodeURIComponent(slug(info))}`;
}

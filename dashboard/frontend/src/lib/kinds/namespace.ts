import type { LooseObject } from "./resource";
import * as columns from "./columns";
import { define } from "./info";
import { type Health, Resource } from "./resource";

export class Namespace extends Resource<LooseObject> {
  static readonly info = define({
    kind: "Namespace",
    plural: "namespaces",
    section: "cluster",
    namespaced: false,
    shortNames: ["ns"],
    subresources: ["status", "finalize"],
  });

  static readonly columns = [columns.name, columns.state, columns.age];

  override get info() {
    return Namespace.info;
  }

  override get state(): string {
    return String(this.wire.status?.phase ?? super.state);
  }

  override get health(): Health {
    return this.state === "Active" ? "good" : "busy";
  }

  /** What keeps it from ending. */
  override get trouble(): string {
    if (!this.isDeleting) return "";
    return this.conditions
      .filter(({ status }) => status === "True")
      .map(({ message }) => message)
      .filter(Boolean)
      .join("; ");
  }
}

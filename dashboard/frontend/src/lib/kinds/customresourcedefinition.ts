import { messages } from "../messages";
import type { Condition, WireObject } from "../wire";
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { type Health, Resource } from "./resource";

export interface DefinitionWire extends WireObject {
  spec?: {
    group?: string;
    scope?: string;
    names?: { kind?: string; plural?: string; shortNames?: string[]; categories?: string[] };
    versions?: { name: string; served?: boolean; storage?: boolean; deprecated?: boolean }[];
  };
  status?: { conditions?: Condition[]; storedVersions?: string[] };
}

const { definitions } = messages;

const group: Column<CustomResourceDefinition> = {
  id: "group",
  header: definitions.group,
  value: ({ wire }) => wire.spec?.group,
  as: "mono",
  priority: 1,
};

/** Leads to the list of its objects. */
const objects: Column<CustomResourceDefinition> = {
  id: "kind",
  header: definitions.objects,
  value: ({ wire }) => wire.spec?.names?.kind,
  as: "link",
  to: (definition) =>
    definition.isEstablished
      ? {
          kind: definition.wire.spec?.names?.kind ?? "",
          group: definition.wire.spec?.group ?? "",
          name: "",
        }
      : undefined,
};

const scope: Column<CustomResourceDefinition> = {
  id: "scope",
  header: definitions.scope,
  value: ({ wire }) => wire.spec?.scope,
  priority: 2,
};

const versions: Column<CustomResourceDefinition> = {
  id: "versions",
  header: definitions.versions,
  value: ({ wire }) =>
    wire.spec?.versions
      ?.filter(({ served }) => served)
      .map(({ name }) => name)
      .join(", "),
  as: "mono",
  priority: 1,
};

export class CustomResourceDefinition extends Resource<DefinitionWire> {
  static readonly info = define({
    group: "apiextensions.k8s.io",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    section: "custom",
    namespaced: false,
    shortNames: ["crd", "crds"],
    subresources: ["status"],
  });

  static readonly columns = [columns.name, objects, group, scope, versions, columns.state, columns.age];

  override get info() {
    return CustomResourceDefinition.info;
  }

  get isEstablished(): boolean {
    return this.condition("Established")?.status === "True";
  }

  /** What keeps it from being served as it asks to be. */
  private get conflict(): Condition | undefined {
    const names = this.condition("NamesAccepted");
    return names?.status === "False" ? names : undefined;
  }

  override get state(): string {
    if (this.isDeleting) return super.state;
    if (this.conflict) return this.conflict.reason ?? definitions.notAccepted;
    return this.isEstablished ? definitions.established : definitions.notAccepted;
  }

  override get health(): Health {
    if (this.isDeleting) return "busy";
    return this.isEstablished && !this.conflict ? "good" : "bad";
  }

  override get trouble(): string {
    const told = this.isDeleting ? this.condition("Terminating") : this.conflict;
    return told?.message ?? "";
  }

  override get facts(): readonly Fact[] {
    const { names } = this.wire.spec ?? {};
    return [
      objects,
      group,
      scope,
      versions,
      {
        id: "shortNames",
        header: definitions.shortNames,
        value: () => names?.shortNames?.join(", "),
        as: "mono",
      },
      {
        id: "stored",
        header: definitions.stored,
        value: () => this.wire.status?.storedVersions?.join(", "),
        as: "mono",
      },
    ];
  }

  override get searchText(): string {
    return [super.searchText, this.wire.spec?.names?.kind].join(" ");
  }
}

import { messages } from "../messages";
import type { WireObject } from "../wire";
import * as columns from "./columns";
import { define } from "./info";
import { Resource } from "./resource";

export interface ConfigMapWire extends WireObject {
  data?: Record<string, string>;
  binaryData?: Record<string, string>;
  immutable?: boolean;
}

export class ConfigMap extends Resource<ConfigMapWire> {
  static readonly info = define({
    kind: "ConfigMap",
    plural: "configmaps",
    section: "config",
    shortNames: ["cm"],
  });

  static readonly columns = columns.between<ConfigMap>({
    id: "keys",
    header: messages.fields.keys,
    value: ({ keys }) => keys.join(", "),
    as: "mono",
    priority: 1,
  });

  override get info() {
    return ConfigMap.info;
  }

  get keys(): string[] {
    return [...Object.keys(this.wire.data ?? {}), ...Object.keys(this.wire.binaryData ?? {})];
  }

  override get searchText(): string {
    return [super.searchText, ...this.keys].join(" ");
  }
}

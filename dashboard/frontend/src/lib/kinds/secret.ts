import { messages } from "../messages";
import type { WireObject } from "../wire";
import * as columns from "./columns";
import { define } from "./info";
import { Resource } from "./resource";

export interface SecretWire extends WireObject {
  type?: string;
  /** Base64. Shown only when somebody asks for it. */
  data?: Record<string, string>;
  immutable?: boolean;
}

const MASK = "••••••••";

export class Secret extends Resource<SecretWire> {
  static readonly info = define({ kind: "Secret", plural: "secrets", section: "config" });

  static readonly columns = columns.between<Secret>(
    { id: "type", header: messages.fields.type, value: ({ wire }) => wire.type, priority: 1 },
    {
      id: "keys",
      header: messages.fields.keys,
      value: ({ keys }) => keys.join(", "),
      as: "mono",
      priority: 1,
    },
  );

  override get info() {
    return Secret.info;
  }

  get keys(): string[] {
    return Object.keys(this.wire.data ?? {});
  }

  /** The object with every value hidden: what is drawn until somebody asks for more. */
  get masked(): SecretWire {
    const data = Object.fromEntries(this.keys.map((key) => [key, MASK]));
    const { "kubectl.kubernetes.io/last-applied-configuration": applied, ...annotations } = this.annotations;
    const shown =
      applied === undefined
        ? annotations
        : { ...annotations, "kubectl.kubernetes.io/last-applied-configuration": MASK };
    return {
      ...this.wire,
      metadata: { ...this.wire.metadata, ...(Object.keys(shown).length > 0 && { annotations: shown }) },
      ...(this.wire.data && { data }),
    };
  }
}

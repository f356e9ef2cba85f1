import { messages } from "../messages";
import type { WireObject } from "../wire";
import * as columns from "./columns";
import { define } from "./info";
import { Resource } from "./resource";

type Amounts = Record<string, string>;

export interface LimitRangeWire extends WireObject {
  spec?: {
    limits?: {
      type: string;
      min?: Amounts;
      max?: Amounts;
      default?: Amounts;
      defaultRequest?: Amounts;
      maxLimitRequestRatio?: Amounts;
    }[];
  };
}

/** What holds for one resource of one type of thing. */
export interface Range {
  type: string;
  resource: string;
  min: string;
  max: string;
  request: string;
  limit: string;
  ratio: string;
}

export class LimitRange extends Resource<LimitRangeWire> {
  static readonly info = define({
    kind: "LimitRange",
    plural: "limitranges",
    section: "policy",
    shortNames: ["limits"],
  });

  static readonly columns = columns.between<LimitRange>({
    id: "types",
    header: messages.fields.type,
    value: ({ wire }) => (wire.spec?.limits ?? []).map(({ type }) => type).join(", "),
    priority: 1,
  });

  override get info() {
    return LimitRange.info;
  }

  get ranges(): Range[] {
    return (this.wire.spec?.limits ?? []).flatMap((given) => {
      const {
        type,
        min = {},
        max = {},
        default: limit = {},
        defaultRequest = {},
        maxLimitRequestRatio = {},
      } = given;
      const resources = new Set([min, max, limit, defaultRequest, maxLimitRequestRatio].flatMap(Object.keys));
      return [...resources].sort().map((resource) => ({
        type,
        resource,
        min: min[resource] ?? "",
        max: max[resource] ?? "",
        request: defaultRequest[resource] ?? "",
        limit: limit[resource] ?? "",
        ratio: maxLimitRequestRatio[resource] ?? "",
      }));
    });
  }
}

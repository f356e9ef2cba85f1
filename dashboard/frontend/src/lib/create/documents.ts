/** Objects as YAML, and YAML as objects. Loaded with the editor: the library is not small. */
import { stringify } from "yaml";
import { parse } from "../schema/lint";

export function print(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

export function printAll(values: readonly unknown[]): string {
  return values.map(print).join("---\n");
}

export interface Given {
  /** Which of the text's documents. */
  index: number;
  object: Record<string, any>;
}

/** The objects of a text, those in a List too; null where it cannot be read. */
export function objectsOf(text: string): Given[] | null {
  const { documents, problems } = parse(text);
  if (problems.length > 0) return null;
  return documents.flatMap((document, index) => {
    const object = document.toJS() as Record<string, any>;
    if (typeof object !== "object" || object === null || Array.isArray(object))
      return [{ index, object: {} }];
    const items: unknown = object.items;
    return String(object.kind).endsWith("List") && Array.isArray(items)
      ? items.map((item) => ({ index, object: item as Record<string, any> }))
      : [{ index, object }];
  });
}

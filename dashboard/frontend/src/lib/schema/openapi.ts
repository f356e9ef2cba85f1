/** The server's schemas (/openapi/v3), by kind. A document is read when the first kind of its group is asked for. */
import { request } from "../api/client";

/** A schema as OpenAPI writes it. */
export interface RawSchema {
  type?: string;
  description?: string;
  properties?: Record<string, RawSchema>;
  additionalProperties?: RawSchema | boolean;
  items?: RawSchema;
  required?: string[];
  enum?: unknown[];
  oneOf?: RawSchema[];
  allOf?: RawSchema[];
  $ref?: string;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-group-version-kind"?: { group: string; version: string; kind: string }[];
}

export interface OpenApiDocument {
  components: { schemas: Record<string, RawSchema> };
}

const PREFIX = "#/components/schemas/";
const DEEPEST_REFERENCE = 8;

/** A schema with its references followed. */
export class Schema {
  readonly raw: RawSchema;

  constructor(
    private readonly document: OpenApiDocument,
    raw: RawSchema,
  ) {
    this.raw = this.follow(raw, 0);
  }

  private follow(raw: RawSchema, depth: number): RawSchema {
    if (depth > DEEPEST_REFERENCE) return raw;
    const { $ref, allOf, ...own } = raw;
    const named = $ref ? this.document.components.schemas[$ref.replace(PREFIX, "")] : undefined;
    const parts = [...(named ? [named] : []), ...(allOf ?? [])];
    return parts.reduceRight<RawSchema>(
      (whole, part) => ({ ...this.follow(part, depth + 1), ...whole }),
      own,
    );
  }

  get description(): string {
    return this.raw.description ?? "";
  }

  get properties(): [string, Schema][] {
    return Object.entries(this.raw.properties ?? {}).map(([name, raw]) => [
      name,
      new Schema(this.document, raw),
    ]);
  }

  /** Whether fields that it does not name are welcome. */
  get isOpen(): boolean {
    const { properties, additionalProperties } = this.raw;
    return (
      this.raw["x-kubernetes-preserve-unknown-fields"] === true ||
      properties === undefined ||
      additionalProperties === true
    );
  }

  property(name: string): Schema | null {
    const { properties, additionalProperties } = this.raw;
    const raw =
      properties?.[name] ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
    return raw ? new Schema(this.document, raw) : null;
  }

  get item(): Schema | null {
    return this.raw.items ? new Schema(this.document, this.raw.items) : null;
  }

  /** Along field names; null goes into a list. */
  at(path: readonly (string | null)[]): Schema | null {
    return path.reduce<Schema | null>(
      (here, step) => (step === null ? (here?.item ?? null) : (here?.property(step) ?? null)),
      this,
    );
  }
}

export function find(document: OpenApiDocument, apiVersion: string, kind: string): Schema | null {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  const raw = Object.values(document.components.schemas).find((schema) =>
    schema["x-kubernetes-group-version-kind"]?.some(
      (gvk) => gvk.group === group && gvk.version === version && gvk.kind === kind,
    ),
  );
  return raw ? new Schema(document, raw) : null;
}

interface Index {
  paths: Record<string, { serverRelativeURL: string }>;
}

/** Reads each document once. Without the server there are no schemas: the editor works without them, and asks again. */
export class SchemaSource {
  private index: Promise<Index> | null = null;
  private readonly documents = new Map<string, Promise<OpenApiDocument>>();
  private readonly found = new Map<string, Schema | null>();

  constructor(private readonly read: <T>(path: string) => Promise<T> = request) {}

  async of(apiVersion: string, kind: string): Promise<Schema | null> {
    const key = `${apiVersion} ${kind}`;
    const known = this.found.get(key);
    if (known !== undefined) return known;
    const document = await this.document(apiVersion).catch(() => null);
    if (!document) return null;
    const schema = find(document, apiVersion, kind);
    this.found.set(key, schema);
    return schema;
  }

  /** What is served may have changed; documents keep their addresses as long as they are the same. */
  forget(): void {
    this.index = null;
    this.found.clear();
  }

  private async document(apiVersion: string): Promise<OpenApiDocument | null> {
    this.index ??= this.read<Index>("/openapi/v3");
    const index = await this.index.catch((error: unknown) => {
      this.index = null;
      throw error;
    });
    const path = apiVersion.includes("/") ? `apis/${apiVersion}` : `api/${apiVersion}`;
    const url = index.paths[path]?.serverRelativeURL;
    if (!url) return null;
    let document = this.documents.get(url);
    if (!document) this.documents.set(url, (document = this.read<OpenApiDocument>(url)));
    return document.catch((error: unknown) => {
      this.documents.delete(url);
      throw error;
    });
  }
}

export const schemas = new SchemaSource();

import { messages } from "../messages";
import type { WireObject } from "../wire";
import type { Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { Resource } from "./resource";

export interface RepositoryTag {
  name: string;
  digest?: string;
  sizeBytes?: number;
  pushedAt?: string;
  platforms?: string[];
}

export interface RepositoryWire extends WireObject {
  spec?: { path?: string; description?: string };
  status?: {
    tagCount?: number;
    sizeBytes?: number;
    lastPushed?: string;
    lastTag?: string;
    tags?: RepositoryTag[];
  };
}

const { images } = messages;

export class Repository extends Resource<RepositoryWire> {
  static readonly info = define({
    group: "slipway.dev",
    kind: "Repository",
    plural: "repositories",
    section: "images",
    shortNames: ["repo"],
    subresources: ["status", "tags", "manifests"],
  });

  static readonly columns = columns.between<Repository>(
    { id: "path", header: images.path, value: (repository) => repository.path, as: "mono", priority: 2 },
    { id: "tags", header: images.tags, value: ({ wire }) => wire.status?.tagCount ?? 0, as: "number" },
    { id: "size", header: images.size, value: ({ wire }) => wire.status?.sizeBytes, as: "bytes" },
    {
      id: "lastTag",
      header: images.lastTag,
      value: ({ wire }) => wire.status?.lastTag,
      as: "mono",
      priority: 1,
    },
    {
      id: "pushed",
      header: images.pushed,
      value: ({ wire }) => wire.status?.lastPushed,
      as: "age",
      priority: 1,
    },
  );

  override get info() {
    return Repository.info;
  }

  get path(): string {
    return this.wire.spec?.path ?? "";
  }

  get tags(): RepositoryTag[] {
    return this.wire.status?.tags ?? [];
  }

  override get facts(): readonly Fact[] {
    return [
      { id: "path", header: images.path, value: () => this.path, as: "mono" },
      { id: "description", header: images.description, value: () => this.wire.spec?.description },
      { id: "size", header: images.size, value: () => this.wire.status?.sizeBytes, as: "bytes" },
      { id: "pushed", header: images.pushed, value: () => this.wire.status?.lastPushed, as: "age" },
    ];
  }
}

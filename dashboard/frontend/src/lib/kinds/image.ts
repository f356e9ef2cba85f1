import { messages } from "../messages";
import type { WireObject } from "../wire";
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { Resource } from "./resource";

export interface ImageLayer {
  diffID?: string;
  digest?: string;
  sizeBytes?: number;
  instruction?: string;
  created?: string;
}

export interface ImageConfig {
  entrypoint?: string[];
  cmd?: string[];
  env?: string[];
  workingDir?: string;
  user?: string;
  exposedPorts?: string[];
  volumes?: string[];
  labels?: Record<string, string>;
  stopSignal?: string;
}

export interface ImageWire extends WireObject {
  status?: {
    imageID?: string;
    platform?: string;
    created?: string;
    author?: string;
    sizeBytes?: number;
    config?: ImageConfig;
    layers?: ImageLayer[];
    history?: { instruction?: string; created?: string; diffID?: string }[];
    sources?: { name: string; references?: string[]; digests?: string[] }[];
  };
}

const { fields, images } = messages;

const name: Column<Image> = {
  ...(columns.name as Column<Image>),
  value: (image) => image.title,
};

export class Image extends Resource<ImageWire> {
  static readonly info = define({
    group: "slipway.dev",
    kind: "Image",
    plural: "images",
    section: "images",
    namespaced: false,
  });

  static readonly columns: readonly Column<Image>[] = [
    name,
    { id: "id", header: images.id, value: (image) => image.name.slice(0, 12), as: "mono", priority: 1 },
    { id: "platform", header: images.platform, value: ({ wire }) => wire.status?.platform, priority: 2 },
    {
      id: "layers",
      header: images.layers,
      value: ({ wire }) => wire.status?.layers?.length ?? 0,
      as: "number",
      priority: 1,
    },
    { id: "size", header: images.size, value: ({ wire }) => wire.status?.sizeBytes, as: "bytes" },
    { id: "nodes", header: images.nodes, value: (image) => image.nodes.length, as: "number", priority: 1 },
    { id: "created", header: images.built, value: ({ wire }) => wire.status?.created, as: "age" },
  ];

  override get info() {
    return Image.info;
  }

  get references(): string[] {
    return [...new Set((this.wire.status?.sources ?? []).flatMap(({ references = [] }) => references))];
  }

  get digests(): Set<string> {
    const all = (this.wire.status?.sources ?? []).flatMap(({ digests = [] }) => digests);
    return new Set(all.map((digest) => digest.slice(digest.indexOf("@") + 1)));
  }

  get nodes(): string[] {
    return (this.wire.status?.sources ?? [])
      .filter(({ name: source }) => source.startsWith("node/"))
      .map(({ name: source }) => source.slice("node/".length));
  }

  /** The name that people write: `localhost` before an address. */
  override get title(): string {
    return (
      this.references.find((each) => each.startsWith("localhost")) ??
      this.references[0] ??
      this.name.slice(0, 12)
    );
  }

  override get searchText(): string {
    return [this.name, ...this.references, ...this.nodes].join(" ");
  }

  override get facts(): readonly Fact[] {
    const { status } = this.wire;
    return [
      { id: "imageID", header: images.id, value: () => status?.imageID, as: "mono" },
      { id: "platform", header: images.platform, value: () => status?.platform },
      { id: "size", header: images.size, value: () => status?.sizeBytes, as: "bytes" },
      { id: "author", header: images.author, value: () => status?.author },
      { id: "built", header: images.built, value: () => status?.created, as: "age" },
      { id: "references", header: images.names, value: () => this.references.join(" "), as: "mono" },
      { id: "nodes", header: fields.node, value: () => this.nodes.join(", ") },
    ];
  }
}

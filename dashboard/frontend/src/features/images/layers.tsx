/** Layers as proportional bars: the whole image as one strip, then each with what made it. */
import { Group, Text } from "@mantine/core";
import { Panel } from "../../components/panel";
import { formatBytes } from "../../lib/format/quantity";
import {
  type AncestryLayer,
  type Bar,
  bars,
  instructionText,
  type Origin,
  ownBytes,
} from "../../lib/images/layers";
import { messages } from "../../lib/messages";
import "./images.css";

const text = messages.images;
const ORIGINS: readonly Origin[] = ["base", "shared", "own"];

export function LayerPicture({ layers }: { layers: readonly AncestryLayer[] }) {
  const drawn = bars(layers);
  const present = ORIGINS.filter((origin) => drawn.some((bar) => bar.origin === origin));
  return (
    <Panel
      title={text.layers}
      aside={
        <Text size="sm" c="dimmed">
          {text.own(formatBytes(ownBytes(layers)))}
        </Text>
      }
    >
      <div className="strip" aria-hidden>
        {drawn.map(({ layer, origin, percent }, index) => (
          <span key={`${layer.diffID}${index}`} data-origin={origin} style={{ flexGrow: percent }} />
        ))}
      </div>
      <Group gap="md" my="xs" aria-hidden>
        {present.map((origin) => (
          <Text key={origin} size="xs" c="dimmed" className="legend">
            <span data-origin={origin} /> {text.origins[origin]}
          </Text>
        ))}
      </Group>
      <ol className="layers" aria-label={text.layersLabel}>
        {drawn.map((bar, index) => (
          <Layer key={`${bar.layer.diffID}${index}`} bar={bar} />
        ))}
      </ol>
    </Panel>
  );
}

function Layer({ bar: { layer, origin, percent, width } }: { bar: Bar }) {
  const notes = [
    layer.fromBase && text.fromBase,
    layer.sharedBy?.length && text.sharedBy(layer.sharedBy.length),
  ].filter(Boolean);
  const sharers = (layer.sharedBy ?? []).map(({ name, references }) => references[0] ?? name.slice(0, 12));
  return (
    <li>
      <div className="layer-head">
        <span className="mono breakable" title={layer.diffID}>
          {instructionText(layer.instruction ?? "") || text.noInstruction}
        </span>
        <span className="number">
          {layer.sizeBytes
            ? `${formatBytes(layer.sizeBytes)} · ${percent.toFixed(percent < 10 ? 1 : 0)} %`
            : text.unknownSize}
        </span>
      </div>
      <div className="layer-bar">
        <span data-origin={origin} style={{ width: `${width}%` }} />
      </div>
      {notes.length > 0 && (
        <Text size="xs" c="dimmed" title={sharers.join("\n")}>
          {notes.join(" · ")}
        </Text>
      )}
    </li>
  );
}

/** An image's page: its layers as a picture, how it came to be, who runs it, what it is built on and what on it. */
import { Alert, Anchor, Group, Stack, Table, Text } from "@mantine/core";
import { IconArrowUpCircle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { Age } from "../../components/age";
import { Labels } from "../../components/cell";
import { Panel } from "../../components/panel";
import { ResourceLink } from "../../components/resourceLink";
import { Failed, Loading } from "../../components/states";
import * as registry from "../../lib/api/registry";
import { instructionText } from "../../lib/images/layers";
import { Image, type ImageConfig } from "../../lib/kinds/image";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { LayerPicture } from "./layers";

const text = messages.images;
/** Who runs it and what is newer changes without the image. */
const REFRESH_MS = 10_000;

export function ImagePanels({ item }: { item: Image }) {
  const asked = useQuery({
    queryKey: ["ancestry", item.name, item.resourceVersion],
    queryFn: ({ signal }) => registry.ancestry(item.name, signal),
    refetchInterval: REFRESH_MS,
    placeholderData: (before) => before,
  });
  const { data } = asked;
  return (
    <Stack>
      {asked.isError && !data && <Failed error={asked.error} onRetry={() => void asked.refetch()} />}
      {asked.isPending && <Loading />}
      {data && (
        <>
          <Newer newer={data.newer} />
          <LayerPicture layers={data.layers} />
          <Family ancestry={data} />
          <Runners pods={data.pods} />
        </>
      )}
      <History image={item} />
      <Config of={item.wire.status?.config ?? {}} />
      <Sources image={item} />
    </Stack>
  );
}

function Newer({ newer }: { newer: registry.Ancestry["newer"] }) {
  if (newer.length === 0) return null;
  return (
    <Alert color="yellow" icon={<IconArrowUpCircle />} title={text.newer} role="status">
      {newer.map(({ reference, digest, pushedAt }) => (
        <Text key={reference} size="sm" className="breakable">
          {text.newerText(reference)} <span className="mono">{digest.slice(0, 19)}…</span>
          {pushedAt && (
            <>
              , {text.pushedAgo} <Age since={pushedAt} />
            </>
          )}
        </Text>
      ))}
    </Alert>
  );
}

function ImageLink({ of: { name, references } }: { of: registry.Relative }) {
  const title = references.find((each) => each.startsWith("localhost")) ?? references[0] ?? name.slice(0, 12);
  return (
    <Anchor component={Link} href={links.object(Image.info, "", name)} size="sm" className="breakable">
      {title}
    </Anchor>
  );
}

function Family({ ancestry: { base, builtOnIt } }: { ancestry: registry.Ancestry }) {
  return (
    <Panel title={text.family}>
      <dl className="facts">
        <div>
          <dt>{text.base}</dt>
          <dd>
            {base ? (
              <>
                <ImageLink of={base} />
                <Text size="xs" c="dimmed">
                  {text.baseLayers(base.layers)}
                </Text>
              </>
            ) : (
              text.noBase
            )}
          </dd>
        </div>
        <div>
          <dt>{text.builtOnIt}</dt>
          <dd>
            {builtOnIt.length === 0 && text.nothingBuilt}
            <Stack gap={2}>
              {builtOnIt.map((image) => (
                <ImageLink key={image.name} of={image} />
              ))}
            </Stack>
          </dd>
        </div>
      </dl>
    </Panel>
  );
}

function Runners({ pods }: { pods: registry.Ancestry["pods"] }) {
  return (
    <Panel title={text.runs}>
      {pods.length === 0 ? (
        <Text size="sm">{text.runsNobody}</Text>
      ) : (
        <div className="table-frame" tabIndex={0} role="region" aria-label={text.runs}>
          <Table aria-label={text.runs} verticalSpacing={6}>
            <Table.Tbody>
              {pods.map(({ namespace, name, node, containers }) => (
                <Table.Tr key={`${namespace}/${name}`}>
                  <Table.Td>
                    <ResourceLink to={{ kind: "Pod", namespace, name }}>
                      {namespace}/{name}
                    </ResourceLink>
                  </Table.Td>
                  <Table.Td className="mono">{containers.join(", ")}</Table.Td>
                  <Table.Td>
                    <ResourceLink to={node ? { kind: "Node", name: node } : undefined}>{node}</ResourceLink>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
    </Panel>
  );
}

function History({ image }: { image: Image }) {
  const { history = [], layers = [] } = image.wire.status ?? {};
  if (history.length === 0) return null;
  const sizes = new Map(layers.map(({ diffID }, index) => [diffID, index + 1]));
  return (
    <Panel title={text.history}>
      <ol className="events">
        {history.map(({ instruction = "", created, diffID }, index) => (
          <li key={index}>
            <Group justify="space-between" wrap="nowrap" align="flex-start">
              <div>
                <span className="mono breakable">{instructionText(instruction) || text.noInstruction}</span>
                <Text size="xs" c="dimmed">
                  {diffID ? text.layer(sizes.get(diffID) ?? 0, layers.length) : text.noLayer}
                </Text>
              </div>
              <Age since={created} />
            </Group>
          </li>
        ))}
      </ol>
    </Panel>
  );
}

function Config({ of: config }: { of: ImageConfig }) {
  const names = text.configFields;
  const plain: [string, string | undefined][] = [
    [names.entrypoint, words(config.entrypoint)],
    [names.cmd, words(config.cmd)],
    [names.workingDir, config.workingDir],
    [names.user, config.user],
    [names.exposedPorts, config.exposedPorts?.join(", ")],
    [names.volumes, config.volumes?.join(", ")],
    [names.stopSignal, config.stopSignal],
    [names.env, config.env?.join("\n")],
  ];
  return (
    <Panel title={text.config}>
      <dl className="facts">
        {plain
          .filter(([, value]) => value)
          .map(([title, value]) => (
            <div key={title}>
              <dt>{title}</dt>
              <dd className="mono breakable lines">{value}</dd>
            </div>
          ))}
        {config.labels && Object.keys(config.labels).length > 0 && (
          <div>
            <dt>{names.labels}</dt>
            <dd>
              <Labels of={config.labels} />
            </dd>
          </div>
        )}
      </dl>
    </Panel>
  );
}

function words(list: string[] | undefined): string {
  return (list ?? []).map((word) => (/^[\w./:=-]+$/.test(word) ? word : JSON.stringify(word))).join(" ");
}

function Sources({ image }: { image: Image }) {
  return (
    <Panel title={text.sources}>
      <Stack gap="xs">
        {(image.wire.status?.sources ?? []).map(({ name, references = [], digests = [] }) => (
          <div key={name}>
            <SourceLink name={name} />
            {[...references, ...digests].map((each) => (
              <Text key={each} size="xs" c="dimmed" className="mono breakable">
                {each}
              </Text>
            ))}
          </div>
        ))}
      </Stack>
    </Panel>
  );
}

/** `node/<name>`, `repository/<namespace>/<name of one or several parts>`. */
function SourceLink({ name }: { name: string }) {
  const [kind, first = "", second = "", ...more] = name.split("/");
  if (kind === "node") return <ResourceLink to={{ kind: "Node", name: first }}>{first}</ResourceLink>;
  if (more.length > 0) return <Text size="sm">{name}</Text>;
  return (
    <ResourceLink
      to={{ kind: "Repository", namespace: first, name: second }}
    >{`${first}/${second}`}</ResourceLink>
  );
}

/** A repository's tags, and how to push to it. */
import { ActionIcon, Anchor, Checkbox, Stack, Table, Tooltip } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link } from "wouter";
import { Age } from "../../components/age";
import { Confirm } from "../../components/confirm";
import { CopyButton } from "../../components/copyButton";
import { Panel } from "../../components/panel";
import { Empty, Failed, Loading } from "../../components/states";
import * as registry from "../../lib/api/registry";
import { formatBytes } from "../../lib/format/quantity";
import { Image } from "../../lib/kinds/image";
import type { Repository, RepositoryTag } from "../../lib/kinds/repository";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/hooks";
import "./images.css";
import { PushPanel, useRegistryState } from "./push";

const text = messages.images;

export function RepositoryPanels({ item }: { item: Repository }) {
  return (
    <Stack>
      <Tags repository={item} />
      <PushPanel path={item.path} />
    </Stack>
  );
}

function Tags({ repository }: { repository: Repository }) {
  // The object lists the newest 200 of them; asked anew whenever it has changed.
  const asked = useQuery({
    queryKey: ["tags", repository.uid, repository.resourceVersion],
    queryFn: ({ signal }) => registry.tags(repository, signal),
    placeholderData: (before) => before,
  });
  const tags = asked.data?.items ?? repository.tags;
  const images = useImagesByDigest();
  const state = useRegistryState();
  const [doomed, setDoomed] = useState<string | null>(null);
  const address = state.data ? registry.manifestAddress(state.data) : "";
  return (
    <Panel title={`${text.tags} (${tags.length})`}>
      {asked.isError && <Failed error={asked.error} />}
      {asked.isPending && tags.length === 0 && <Loading rows={2} />}
      {!asked.isPending && tags.length === 0 && <Empty text={text.noTags} />}
      {tags.length > 0 && (
        <div className="table-frame" tabIndex={0} role="region" aria-label={text.tags}>
          <Table aria-label={text.tags} verticalSpacing={6} className="resources">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{messages.fields.name}</Table.Th>
                <Table.Th>{text.size}</Table.Th>
                <Table.Th data-priority="1">{text.platform}</Table.Th>
                <Table.Th data-priority="1">{text.digest}</Table.Th>
                <Table.Th>{text.pushed}</Table.Th>
                <Table.Th aria-label={messages.actions.delete} />
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {tags.map((tag) => (
                <TagRow
                  key={tag.name}
                  tag={tag}
                  image={images.get(tag.digest ?? "")}
                  reference={`${address}/${repository.path}:${tag.name}`}
                  onDelete={() => setDoomed(tag.name)}
                />
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
      {doomed !== null && <DeleteTag repository={repository} tag={doomed} onClose={() => setDoomed(null)} />}
    </Panel>
  );
}

interface RowProps {
  tag: RepositoryTag;
  image: Image | undefined;
  reference: string;
  onDelete: () => void;
}

function TagRow({ tag, image, reference, onDelete }: RowProps) {
  return (
    <Table.Tr>
      <Table.Td>
        {image ? (
          <Anchor
            component={Link}
            href={links.object(Image.info, "", image.name)}
            fz="inherit"
            className="tag-link"
          >
            {tag.name}
          </Anchor>
        ) : (
          tag.name
        )}{" "}
        <CopyButton text={reference} />
      </Table.Td>
      <Table.Td className="number">{tag.sizeBytes !== undefined && formatBytes(tag.sizeBytes)}</Table.Td>
      <Table.Td data-priority="1">{tag.platforms?.join(", ")}</Table.Td>
      <Table.Td data-priority="1" className="mono" title={tag.digest}>
        {tag.digest?.slice(0, 19)}
      </Table.Td>
      <Table.Td>
        <Age since={tag.pushedAt} />
      </Table.Td>
      <Table.Td ta="right">
        <Tooltip label={text.deleteTag(tag.name)}>
          <ActionIcon variant="subtle" color="red" aria-label={text.deleteTag(tag.name)} onClick={onDelete}>
            <IconTrash size={16} />
          </ActionIcon>
        </Tooltip>
      </Table.Td>
    </Table.Tr>
  );
}

function DeleteTag({
  repository,
  tag,
  onClose,
}: {
  repository: Repository;
  tag: string;
  onClose: () => void;
}) {
  const [force, setForce] = useState(false);
  const queries = useQueryClient();
  const path = registry.tagsPath(repository, tag) + (force ? "?force=true" : "");
  return (
    <Confirm
      title={text.deleteTag(tag)}
      text={text.deleteTagAsk(`${repository.path}:${tag}`)}
      action={messages.actions.delete}
      danger
      command={{ kubectl: `kubectl delete --raw '${path}'`, curl: { path, method: "DELETE" } }}
      run={() => registry.removeTag(repository, tag, force)}
      onClose={onClose}
      onDone={() => void queries.invalidateQueries({ queryKey: ["tags", repository.uid] })}
    >
      <Checkbox
        label={text.force}
        checked={force}
        onChange={(event) => setForce(event.currentTarget.checked)}
      />
    </Confirm>
  );
}

function useImagesByDigest(): Map<string, Image> {
  const { items } = useResources(Image);
  return useMemo(
    () => new Map(items.flatMap((image) => [...image.digests].map((digest) => [digest, image] as const))),
    [items],
  );
}

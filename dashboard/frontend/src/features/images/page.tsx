/** The repositories of the cluster's registry: how the registry fares, what it holds, how to push. */
import { Button, Group, Text } from "@mantine/core";
import { IconHammer, IconRecycle } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "wouter";
import { ShowCommand } from "../../components/command";
import { Confirm } from "../../components/confirm";
import { useNamespace } from "../../components/hooks";
import { Page } from "../../components/page";
import { StatusBadge } from "../../components/statusBadge";
import * as registry from "../../lib/api/registry";
import * as commands from "../../lib/commands";
import { formatBytes } from "../../lib/format/quantity";
import { Repository } from "../../lib/kinds/repository";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/hooks";
import { useFilter } from "../resources/filters";
import { FilteredTable } from "../resources/list";
import { PushPanel, useRegistryState } from "./push";

const text = messages.images;

export function RepositoriesPage() {
  const [namespace] = useNamespace();
  const listed = useResources(Repository, { namespace });
  const controls = useFilter();
  const [collecting, setCollecting] = useState(false);
  const path = registry.collectionsPath;
  return (
    <Page
      title="Repositories"
      subtitle={<RegistryLine />}
      actions={
        <>
          <Button
            component={Link}
            href="/build"
            size="xs"
            variant="default"
            leftSection={<IconHammer size={14} aria-hidden />}
          >
            {messages.builds.title}
          </Button>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconRecycle size={14} aria-hidden />}
            onClick={() => setCollecting(true)}
          >
            {text.collect}
          </Button>
          <ShowCommand command={commands.list(Repository.info, namespace, controls.filter.labels)} />
        </>
      }
    >
      <FilteredTable
        kind={Repository}
        listed={listed}
        columns={Repository.columns.filter(({ id }) => !namespace || id !== "namespace")}
        namespace={namespace}
        controls={controls}
      />
      <PushPanel path={`${namespace || "default"}/app`} />
      {collecting && (
        <Confirm
          title={text.collect}
          text={text.collectAsk}
          action={text.collect}
          command={{
            kubectl: `kubectl create --raw ${path} -f /dev/null`,
            curl: { path, method: "POST" },
          }}
          run={registry.collect}
          onClose={() => setCollecting(false)}
        />
      )}
    </Page>
  );
}

function RegistryLine() {
  const { data, error } = useRegistryState();
  if (error) return <Text size="sm">{error.message}</Text>;
  if (!data) return null;
  const { spec, status } = data;
  if (!spec.enabled) return <Text size="sm">{text.registryOff}</Text>;
  const freed = status.lastCollection?.freedBytes;
  return (
    <Group gap="xs">
      <StatusBadge health={status.ready && !status.message ? "good" : "bad"}>{text.registry}</StatusBadge>
      <Text size="sm" component="span">
        {status.message ??
          [
            text.registryReady(spec.address ?? "", formatBytes(status.freeBytes ?? 0)),
            freed !== undefined && text.collected(formatBytes(freed)),
          ]
            .filter(Boolean)
            .join("; ")}
      </Text>
    </Group>
  );
}

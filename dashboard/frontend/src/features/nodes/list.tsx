/** The nodes, and the way to more of them. */
import { Button } from "@mantine/core";
import { IconLayoutGrid } from "@tabler/icons-react";
import { Link } from "wouter";
import { ShowCommand } from "../../components/command";
import { Page } from "../../components/page";
import * as commands from "../../lib/commands";
import { Node } from "../../lib/kinds/node";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/hooks";
import { useFilter } from "../resources/filters";
import { FilteredTable, titleOf } from "../resources/list";
import { JoinButton } from "./join";

export function NodesPage() {
  const controls = useFilter();
  const listed = useResources(Node);
  return (
    <Page
      title={titleOf(Node)}
      actions={
        <>
          <JoinButton />
          <Button
            size="xs"
            variant="default"
            component={Link}
            href="/node-map"
            leftSection={<IconLayoutGrid size={14} aria-hidden />}
          >
            {messages.nodes.map}
          </Button>
          <ShowCommand command={commands.list(Node.info, "", controls.filter.labels)} />
        </>
      }
    >
      <FilteredTable kind={Node} listed={listed} columns={Node.columns} namespace="" controls={controls} />
    </Page>
  );
}

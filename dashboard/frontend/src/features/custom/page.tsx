/** The kinds that users have added, by group; each leads to its objects. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";
import { ShowCommand } from "../../components/command";
import { Page } from "../../components/page";
import * as commands from "../../lib/commands";
import { CustomResourceDefinition } from "../../lib/kinds/customresourcedefinition";
import { schemas } from "../../lib/schema/openapi";
import { useResources } from "../../lib/watch/hooks";
import { CreateButton } from "../create/button";
import { useFilter } from "../resources/filters";
import { FilteredTable, titleOf } from "../resources/list";

export function DefinitionsPage() {
  const listed = useResources(CustomResourceDefinition);
  const controls = useFilter();
  const { info } = CustomResourceDefinition;
  const items = useMemo(() => [...listed.items].sort(byGroup), [listed.items]);
  useDiscoveryThatFollows(items);
  return (
    <Page
      title={titleOf(CustomResourceDefinition)}
      actions={
        <>
          <CreateButton info={info} />
          <ShowCommand command={commands.list(info, "", controls.filter.labels)} />
        </>
      }
    >
      <FilteredTable
        kind={CustomResourceDefinition}
        listed={{ ...listed, items }}
        columns={CustomResourceDefinition.columns}
        namespace=""
        controls={controls}
      />
    </Page>
  );
}

function byGroup(one: CustomResourceDefinition, other: CustomResourceDefinition): number {
  const key = ({ wire, name }: CustomResourceDefinition) => `${wire.spec?.group ?? ""}/${name}`;
  return key(one) < key(other) ? -1 : 1;
}

/** What is served changes with what is listed here: the navigation, the links to objects and the YAML editor need it at once. */
function useDiscoveryThatFollows(items: readonly CustomResourceDefinition[]): void {
  const queries = useQueryClient();
  const served = items.map(({ uid, resourceVersion }) => `${uid}:${resourceVersion}`).join();
  const before = useRef<string | null>(null);
  useEffect(() => {
    if (before.current !== null && before.current !== served) {
      schemas.forget();
      void queries.invalidateQueries({ queryKey: ["discovery"] });
    }
    before.current = served;
  }, [queries, served]);
}

/** The keys of the dashboard, and the choice to do without those that act by themselves. */
import { Stack, Switch, Table, Title } from "@mantine/core";
import { messages } from "../lib/messages";
import { prefer } from "../lib/preferences";
import { Dialog } from "./dialog";
import { usePreferences } from "./hooks";

const text = messages.keyboard;

export function KeyboardHelp({ onClose }: { onClose: () => void }) {
  const { singleKeys } = usePreferences();
  return (
    <Dialog onClose={onClose} title={text.title} size="lg">
      <Stack>
        {text.groups.map(({ title, keys }) => (
          <section key={title} aria-label={title}>
            <Title order={3} size="h6" mb={4}>
              {title}
            </Title>
            <Table aria-label={title} verticalSpacing={4}>
              <Table.Tbody>
                {keys.map(([key, meaning]) => (
                  <Table.Tr key={meaning}>
                    <Table.Th scope="row" fw={400} w="11rem">
                      {key.split(" ").map((each) => (
                        <kbd key={each}>{each}</kbd>
                      ))}
                    </Table.Th>
                    <Table.Td>{meaning}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </section>
        ))}
        <Switch
          label={text.singleKeys}
          description={text.singleKeysHint}
          checked={singleKeys}
          onChange={(event) => prefer({ singleKeys: event.currentTarget.checked })}
        />
      </Stack>
    </Dialog>
  );
}

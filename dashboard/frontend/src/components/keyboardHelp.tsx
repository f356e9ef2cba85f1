/** The keys of the dashboard. */
import { Modal, Table } from "@mantine/core";
import { messages } from "../lib/messages";

const text = messages.keyboard;
const KEYS: readonly [string, string][] = [
  ["Ctrl K", text.palette],
  ["/", text.filter],
  ["↑ ↓", text.move],
  ["Enter", text.open],
  ["?", text.help],
];

export function KeyboardHelp({ onClose }: { onClose: () => void }) {
  return (
    <Modal
      opened
      onClose={onClose}
      title={text.title}
      centered
      closeButtonProps={{ "aria-label": messages.close }}
    >
      <Table aria-label={text.title}>
        <Table.Tbody>
          {KEYS.map(([key, meaning]) => (
            <Table.Tr key={key}>
              <Table.Td>
                <kbd>{key}</kbd>
              </Table.Td>
              <Table.Td>{meaning}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  );
}

/** Quotas as bars, and what a limit range says, as a table. */
import { Stack, Table } from "@mantine/core";
import { Bar } from "../../components/bar";
import { Panel } from "../../components/panel";
import type { LimitRange } from "../../lib/kinds/limitrange";
import { type ResourceQuota, shareHealth } from "../../lib/kinds/resourcequota";
import { messages } from "../../lib/messages";

const text = messages.policies;
export const COLOURS = { good: "teal", busy: "yellow", bad: "red", idle: "gray" };

export function QuotaPanel({ item }: { item: ResourceQuota }) {
  return (
    <Panel title={text.quota}>
      <Stack gap="sm" data-testid="quota">
        {item.limits.map(({ resource, used, hard, share }) => (
          <Bar
            key={resource}
            title={resource}
            told={text.of(used, hard)}
            share={share}
            color={COLOURS[shareHealth(share)]}
          />
        ))}
      </Stack>
    </Panel>
  );
}

export function RangePanel({ item }: { item: LimitRange }) {
  const heads = [
    messages.fields.type,
    text.resource,
    text.min,
    text.max,
    text.request,
    text.limit,
    text.ratio,
  ];
  return (
    <Panel title={text.range}>
      <div className="table-frame" tabIndex={0} role="region" aria-label={text.range}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              {heads.map((head) => (
                <Table.Th key={head}>{head}</Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {item.ranges.map(({ type, resource, min, max, request, limit, ratio }) => (
              <Table.Tr key={`${type}/${resource}`}>
                {[type, resource, min, max, request, limit, ratio].map((cell, index) => (
                  <Table.Td key={heads[index]} className="number">
                    {cell}
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Panel>
  );
}

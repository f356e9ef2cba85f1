import { Bar } from "../../components/bar";
import { Panel } from "../../components/panel";
import type { Workload } from "../../lib/kinds/workload";
import { messages } from "../../lib/messages";

/** How far a rollout is: what is updated, ready, available, of what is wanted. */
export function RolloutPanel({ item }: { item: Workload }) {
  const { wanted, updated, ready, available } = item.progress;
  const text = messages.rollout;
  const bar = (title: string, count: number) => (
    <Bar
      title={title}
      told={text.of(count, wanted)}
      share={wanted > 0 ? count / wanted : 0}
      color={count < wanted ? "yellow" : "teal"}
    />
  );
  return (
    <Panel title={text.title}>
      <div className="rollout" data-testid="rollout">
        {bar(text.updated, updated)}
        {bar(text.ready, ready)}
        {bar(text.available, available)}
      </div>
    </Panel>
  );
}

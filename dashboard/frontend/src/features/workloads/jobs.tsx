import { ResourceTable } from "../../components/resourceTable";
import { Empty, Failed, Loading } from "../../components/states";
import type { CronJob } from "../../lib/kinds/cronjob";
import { Job } from "../../lib/kinds/job";
import { messages } from "../../lib/messages";
import { useJobsOf } from "./related";

/** The runs of a CronJob. */
export function JobsOf({ item }: { item: CronJob }) {
  const { items, synced, error } = useJobsOf(item);
  if (error) return <Failed error={error} />;
  if (!synced) return <Loading />;
  if (items.length === 0) return <Empty text={messages.list.empty("Job", item.namespace)} />;
  return (
    <ResourceTable
      label={messages.detail.tabs.jobs}
      items={items}
      columns={Job.columns.filter(({ id }) => id !== "namespace")}
    />
  );
}

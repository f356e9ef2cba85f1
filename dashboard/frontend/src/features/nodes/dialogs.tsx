/** Cordoning a node, and editing its labels and taints. */
import { Textarea } from "@mantine/core";
import { useState } from "react";
import { Confirm } from "../../components/confirm";
import * as actions from "../../lib/api/actions";
import { refusedAt } from "../../lib/api/errors";
import * as objects from "../../lib/api/objects";
import * as commands from "../../lib/commands";
import type { Node } from "../../lib/kinds/node";
import { messages } from "../../lib/messages";
import * as labels from "../../lib/nodes/labels";

interface Props {
  item: Node;
  onClose: () => void;
}

const text = messages.nodes;

export function CordonDialog({ item, onClose }: Props) {
  const [cordon] = useState(!item.isCordoned);
  const target = { kind: item.info, namespace: "", name: item.name };
  return (
    <Confirm
      title={`${cordon ? text.cordon : text.uncordon} ${item.name}`}
      text={cordon ? text.cordonAsk(item.name) : text.uncordonAsk(item.name)}
      action={cordon ? text.cordon : text.uncordon}
      command={commands.cordon(target, cordon)}
      run={() => actions.setUnschedulable(target, cordon)}
      onClose={onClose}
    />
  );
}

/** What is typed is compared with the node as it was when the dialog was opened: what others change meanwhile stays. */
export function LabelsDialog({ item, onClose }: Props) {
  const [before] = useState(item);
  const [labelText, setLabelText] = useState(() => labels.labelLines(before.labels));
  const [taintText, setTaintText] = useState(() => labels.taintLines(before.taints));
  const wanted = labels.parseLabels(labelText);
  const taints = labels.parseTaints(taintText, before.taints);
  const badLabel = isBad(wanted) ? text.badLabel(wanted.bad) : "";
  const badTaint = isBad(taints) ? text.badTaint(taints.bad) : "";
  const hasTaints = taintText !== labels.taintLines(before.taints);
  const change = {
    metadata: { labels: labels.labelChanges(before.labels, isBad(wanted) ? before.labels : wanted) },
    ...(hasTaints && !isBad(taints) && { spec: { taints } }),
  };
  // A merge patch replaces the whole list of taints, so somebody else's change in between must be a conflict.
  const guarded = hasTaints
    ? { ...change, metadata: { ...change.metadata, resourceVersion: before.resourceVersion } }
    : change;
  const target = { kind: item.info, namespace: "", name: item.name };
  return (
    <Confirm
      title={`${text.edit}: ${item.name}`}
      action={text.save}
      disabled={badLabel !== "" || badTaint !== ""}
      command={commands.patchNode(target, change)}
      run={() => objects.patch(target, "merge", guarded)}
      onClose={onClose}
    >
      {(refusal) => (
        <>
          <Textarea
            label={text.editLabels}
            description={text.editLabelsHint}
            value={labelText}
            onChange={(event) => setLabelText(event.currentTarget.value)}
            error={badLabel || refusedAt(refusal, "metadata.labels")}
            autosize
            minRows={3}
            maxRows={10}
            classNames={{ input: "mono" }}
          />
          <Textarea
            label={text.editTaints}
            description={text.editTaintsHint}
            value={taintText}
            onChange={(event) => setTaintText(event.currentTarget.value)}
            error={badTaint || refusedAt(refusal, "spec.taints")}
            autosize
            minRows={2}
            maxRows={8}
            classNames={{ input: "mono" }}
          />
        </>
      )}
    </Confirm>
  );
}

function isBad(parsed: object): parsed is { bad: string } {
  return (
    "bad" in parsed &&
    Object.keys(parsed).length === 1 &&
    typeof parsed.bad === "string" &&
    !Array.isArray(parsed)
  );
}

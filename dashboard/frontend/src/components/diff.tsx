import { Text } from "@mantine/core";
import { useMemo } from "react";
import { condense, diffLines } from "../lib/diff";
import { messages } from "../lib/messages";

/** What changed between two texts. */
export function Diff({ before, after }: { before: string; after: string }) {
  const lines = useMemo(() => condense(diffLines(before, after)), [before, after]);
  if (lines.every((line) => line === null || line.kind === "same")) {
    return (
      <Text size="sm" c="dimmed">
        {messages.rollout.same}
      </Text>
    );
  }
  return (
    <pre className="diff mono" tabIndex={0} aria-label={messages.rollout.compare}>
      {lines.map((line, index) => (
        <div key={index} className={line?.kind ?? "gap"}>
          {line ? `${{ same: " ", added: "+", removed: "-" }[line.kind]} ${line.text}` : "⋯"}
        </div>
      ))}
    </pre>
  );
}

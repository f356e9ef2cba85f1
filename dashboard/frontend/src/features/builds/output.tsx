/** What a build writes, as it writes it: the log of its pod. */
import { useMemo } from "react";
import { ShowCommand } from "../../components/command";
import * as commands from "../../lib/commands";
import { BUILD_CONTAINER, type Build } from "../../lib/kinds/build";
import { Pod } from "../../lib/kinds/pod";
import { LogViewer } from "../logs/viewer";

const EVERYTHING = { previous: false, since: "all", until: "" };

export function BuildOutput({ build }: { build: Build }) {
  const pod = build.wire.status?.podName ?? "";
  const sources = useMemo(
    () => [{ namespace: build.namespace, pod, container: BUILD_CONTAINER }],
    [build.namespace, pod],
  );
  const target = { kind: Pod.info, namespace: build.namespace, name: pod };
  return (
    <div className="build-output">
      <LogViewer
        key={pod}
        sources={sources}
        options={EVERYTHING}
        fileName={build.name}
        controls={<ShowCommand command={commands.logs(target, BUILD_CONTAINER)} />}
      />
    </div>
  );
}

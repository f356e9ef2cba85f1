import { Text } from "@mantine/core";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { useEffect, useRef, useState } from "react";
import { type LogSource, LogStream } from "../../lib/logStream";
import { messages } from "../../lib/messages";

const SCROLLBACK_LINES = 50_000;

/** A container's log, following. xterm draws it as text, so nothing a container prints can become markup. */
export function LogView({ namespace, pod, container, previous }: LogSource) {
  const frame = useRef<HTMLDivElement>(null);
  const [state, setState] = useState("");
  useEffect(() => {
    if (!frame.current) return;
    const terminal = new Terminal({
      convertEol: true,
      disableStdin: true,
      cursorInactiveStyle: "none",
      scrollback: SCROLLBACK_LINES,
      fontSize: 13,
      theme: { background: "#11181c" },
      screenReaderMode: false,
    });
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(frame.current);
    fit.fit();
    const resized = new ResizeObserver(() => fit.fit());
    resized.observe(frame.current);
    const stream = new LogStream(
      { namespace, pod, container, previous },
      {
        onText: (text) => terminal.write(text),
        onState: (now, message) => setState(describe(now, message)),
      },
    );
    return () => {
      stream.close();
      resized.disconnect();
      terminal.dispose();
    };
  }, [namespace, pod, container, previous]);
  return (
    <>
      <div ref={frame} className="log" data-testid="log" />
      <Text size="xs" c="dimmed" mt={4} role="status">
        {state}
      </Text>
    </>
  );
}

function describe(state: "open" | "lost" | "ended", message: string | undefined): string {
  if (state === "open") return messages.pod.following;
  return message || (state === "lost" ? messages.pod.lost : messages.pod.ended);
}

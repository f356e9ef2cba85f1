/** One terminal: xterm.js over an exec session. xterm draws text into its own grid; output can never become markup. */
import "@xterm/xterm/css/xterm.css";
import { Button, Group, Text } from "@mantine/core";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal as Xterm } from "@xterm/xterm";
import { useEffect, useId, useRef, useState } from "react";
import { ExecChannel, type ExecTarget } from "../../lib/exec/channel";
import { messages } from "../../lib/messages";

const text = messages.terminal;
/** While the control plane restarts nobody answers: asked again so often, and after so long. */
const TRIES = 20;
const PAUSE_MS = 1_000;
const THEME = {
  background: "#11181c",
  foreground: "#e6e9eb",
  cursor: "#3ccfb4",
  selectionBackground: "#2d4a52",
};

/** Every other key belongs to what runs in the terminal. */
const isWayOut = ({ key, shiftKey }: KeyboardEvent) => key === "F6" && shiftKey;

interface Props {
  target: ExecTarget;
  isShown: boolean;
  /** The keyboard leaves the terminal for what stands before it. */
  onLeave: () => void;
}

export function Terminal({ target, isShown, onLeave }: Props) {
  const leave = useRef(onLeave);
  leave.current = onLeave;
  const again = useRef<HTMLButtonElement>(null);
  const hint = useId();
  const frame = useRef<HTMLDivElement>(null);
  const fitting = useRef<FitAddon>(undefined);
  const screen = useRef<Xterm>(undefined);
  const [over, setOver] = useState("");
  const [round, setRound] = useState(0);
  const tries = useRef(0);

  useEffect(() => {
    if (!frame.current) return;
    const terminal = new Xterm({
      fontSize: 13,
      fontFamily: "ui-monospace, 'SF Mono', Menlo, Consolas, monospace",
      scrollback: 20_000,
      cursorBlink: true,
      theme: THEME,
    });
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(frame.current);
    terminal.textarea?.setAttribute("aria-describedby", hint);
    terminal.attachCustomKeyEventHandler((event) => {
      if (!isWayOut(event)) return true;
      event.preventDefault();
      if (event.type === "keydown") again.current ? again.current.focus() : leave.current();
      return false;
    });
    screen.current = terminal;
    fitting.current = fit;
    const observer = new ResizeObserver(() => frame.current?.offsetHeight && fit.fit());
    observer.observe(frame.current);
    return () => {
      observer.disconnect();
      terminal.dispose();
    };
  }, [hint]);

  useEffect(() => {
    const terminal = screen.current;
    if (!terminal) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    if (tries.current === 0) setOver("");
    const channel = new ExecChannel(target, {
      onOpen: () => {
        tries.current = 0;
        setOver("");
        fitting.current?.fit();
        channel.resize(terminal.cols, terminal.rows);
        terminal.focus();
      },
      onOutput: (bytes) => terminal.write(bytes),
      onClose: ({ ended, away, message }) => {
        setOver(ended ? text.ended(message) : message || text.lost);
        if (!away || ++tries.current > TRIES) tries.current = 0;
        else timer = setTimeout(() => setRound((last) => last + 1), PAUSE_MS);
      },
    });
    const inputs = [
      terminal.onData((typed) => channel.write(typed)),
      terminal.onBinary((typed) =>
        channel.writeBytes(Uint8Array.from(typed, (letter) => letter.charCodeAt(0))),
      ),
      terminal.onResize(({ cols, rows }) => channel.resize(cols, rows)),
    ];
    return () => {
      clearTimeout(timer);
      for (const input of inputs) input.dispose();
      channel.close();
    };
  }, [target, round]);

  useEffect(() => {
    if (!isShown) return;
    fitting.current?.fit();
    screen.current?.focus();
  }, [isShown]);

  return (
    <>
      <div
        ref={frame}
        className="terminal-frame"
        data-testid="terminal"
        role="group"
        aria-label={text.label}
      />
      <Text id={hint} size="xs" c="dimmed" mt={4}>
        {text.wayOut}
      </Text>
      {over && (
        <Group mt="xs" role="status">
          <Text size="sm">{over}</Text>
          <Button ref={again} size="xs" variant="default" onClick={() => setRound(round + 1)}>
            {text.reconnect}
          </Button>
        </Group>
      )}
    </>
  );
}

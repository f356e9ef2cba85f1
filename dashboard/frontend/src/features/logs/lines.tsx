/**
 * The window over a log's lines. The scroll position is a line's number, not pixels of text, so that a million lines,
 * wrapped or not, cost as much as those on screen.
 */
import {
  type CSSProperties,
  memo,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { parseAnsi, type Style } from "../../lib/log/ansi";
import type { LogLine } from "../../lib/log/line";
import { mark } from "../../lib/log/search";
import type { LogView } from "../../lib/log/view";
import { messages } from "../../lib/messages";

const LINE_HEIGHT = 19;
/** Browsers cannot draw boxes much higher than this; beyond it a pixel of scrolling stands for more. */
const HIGHEST = 15_000_000;

export interface Look {
  wrap: boolean;
  timestamps: boolean;
  pattern: RegExp | null;
  prefixes: readonly string[] | null;
}

interface Props {
  view: LogView;
  round: number;
  look: Look;
  following: boolean;
  onFollowing: (following: boolean) => void;
  /** The index to bring into sight. */
  goTo: { index: number; at: number } | null;
}

export function Lines({ view, look, following, onFollowing, goTo }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const height = useHeight(frame);
  const [scrollTop, setScrollTop] = useState(0);
  const total = view.length;
  const full = total * LINE_HEIGHT;
  const scale = full > HIGHEST ? full / HIGHEST : 1;
  const visible = Math.ceil(height / LINE_HEIGHT) + 1;
  const lastFirst = Math.max(0, total - Math.floor(height / LINE_HEIGHT));
  const first = following ? lastFirst : Math.min(lastFirst, Math.floor((scrollTop * scale) / LINE_HEIGHT));

  useLayoutEffect(() => {
    const element = frame.current;
    if (element && following) element.scrollTop = element.scrollHeight;
  });
  useEffect(() => {
    const element = frame.current;
    if (!element || !goTo) return;
    element.scrollTop = Math.max(0, ((goTo.index - visible / 2) * LINE_HEIGHT) / scale);
  }, [goTo]);

  const scrolled = () => {
    const element = frame.current;
    if (!element) return;
    const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < LINE_HEIGHT;
    // While following, the end runs away from under the position: only going up means to leave it.
    if (atEnd) onFollowing(true);
    else if (!following || element.scrollTop < scrollTop) onFollowing(false);
    setScrollTop(element.scrollTop);
  };
  const atEnd = first >= lastFirst;
  const lines = Array.from(
    { length: Math.max(0, Math.min(visible, total - first)) },
    (_, index) => first + index,
  );
  return (
    <div
      ref={frame}
      className="log-frame"
      onScroll={scrolled}
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label={messages.logs.label}
      data-testid="log"
    >
      <div style={{ height: Math.max(full / scale, height - 1) }} className="log-space">
        <div
          className={`log-window${atEnd && total >= visible - 1 ? " at-end" : ""}`}
          style={{ height: height - 1 }}
        >
          {lines.map((index) => {
            const line = view.line(index);
            return (
              line && (
                <Line key={view.number(index)} line={line} look={look} isFound={goTo?.index === index} />
              )
            );
          })}
        </div>
      </div>
    </div>
  );
}

function useHeight(frame: RefObject<HTMLDivElement | null>): number {
  const [height, setHeight] = useState(400);
  useLayoutEffect(() => {
    const element = frame.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    setHeight(element.clientHeight);
    return () => observer.disconnect();
  }, [frame]);
  return height;
}

interface LineProps {
  line: LogLine;
  look: Look;
  isFound: boolean;
}

const Line = memo(function Line({ line, look: { wrap, timestamps, pattern, prefixes }, isFound }: LineProps) {
  const prefix = prefixes?.[line.source];
  return (
    <div className={`log-line${wrap ? " wrap" : ""}${isFound ? " found" : ""}`}>
      {timestamps && <span className="log-time">{line.time.slice(0, 23)} </span>}
      {prefix && <span className={`log-prefix source-${line.source % 8}`}>{prefix} </span>}
      {mark(parseAnsi(line.text), pattern).map(({ text, style, marked }, index) =>
        marked ? (
          <mark key={index}>{text}</mark>
        ) : (
          <span key={index} className={classes(style)} style={colours(style)}>
            {text}
          </span>
        ),
      )}
    </div>
  );
});

function classes(style: Style): string | undefined {
  const names = [
    typeof style.colour === "number" && `ansi-${style.colour}`,
    typeof style.background === "number" && `ansi-on-${style.background}`,
    style.bold && "ansi-bold",
    style.dim && "ansi-dim",
    style.italic && "ansi-italic",
    style.underline && "ansi-underline",
    style.inverse && "ansi-inverse",
  ].filter(Boolean);
  return names.length > 0 ? names.join(" ") : undefined;
}

/** Only `rgb(…)` that the parser made of numbers gets here. */
function colours({ colour, background }: Style): CSSProperties | undefined {
  if (typeof colour !== "string" && typeof background !== "string") return undefined;
  return {
    ...(typeof colour === "string" && { color: colour }),
    ...(typeof background === "string" && { backgroundColor: background }),
  };
}

import { afterEach, beforeEach, describe, expect, it, type Mock, vi } from "vitest";
import { WatchSocket } from "./socket";

/** The server's side of a connection, as a test plays it. */
class FakeWebSocket {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 3;
  static made: FakeWebSocket[] = [];
  readyState = FakeWebSocket.CONNECTING;
  sent: { op: string; id: string; query?: Record<string, string> }[] = [];
  onopen = () => {};
  onmessage = (_: { data: string }) => {};
  onclose = () => {};
  constructor() {
    FakeWebSocket.made.push(this);
  }
  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  /** As against a peer that is gone: no answer, so no `onclose` either. */
  close() {
    this.readyState = FakeWebSocket.CLOSED;
  }
  accept() {
    this.readyState = FakeWebSocket.OPEN;
    this.onopen();
  }
  drop() {
    this.readyState = FakeWebSocket.CLOSED;
    this.onclose();
  }
  say(...lines: object[]) {
    this.onmessage({ data: lines.map((line) => JSON.stringify(line)).join("\n") });
  }
  asked(op: string) {
    return this.sent.filter((message) => message.op === op);
  }
}

const subscriber = (resumeFrom = "") => ({
  path: "/api/v1/pods",
  query: {},
  resumeFrom: () => resumeFrom,
  onRestart: vi.fn(),
  onEvent: vi.fn(),
});
const latest = () => FakeWebSocket.made.at(-1) as FakeWebSocket;
const pong = { id: "ping", type: "PONG", object: {} };
let socket: WatchSocket;
let refused: Mock<() => void>;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  vi.stubGlobal("WebSocket", FakeWebSocket);
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
  FakeWebSocket.made = [];
  refused = vi.fn();
  socket = new WatchSocket("ws://here/ws/watch", refused);
});
afterEach(() => {
  socket.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("watches", () => {
  it("begin when the connection is there, and go on where they were after a lost one", () => {
    let revision = "";
    const pods = { ...subscriber(), resumeFrom: () => revision };
    socket.subscribe(pods);
    latest().accept();
    expect(latest().asked("watch")).toEqual([{ op: "watch", id: "1", path: "/api/v1/pods", query: {} }]);
    revision = "7";
    latest().drop();
    vi.advanceTimersByTime(1_000);
    latest().accept();
    expect(FakeWebSocket.made).toHaveLength(2);
    expect(latest().asked("watch")[0]?.query).toEqual({ resourceVersion: "7" });
    expect(pods.onRestart).toHaveBeenCalledTimes(1);
  });

  it("each get their own lines of a frame", () => {
    const [pods, nodes] = [subscriber(), subscriber()];
    socket.subscribe(pods);
    socket.subscribe(nodes);
    latest().accept();
    latest().say({ id: "2", type: "ADDED", object: 1 }, { id: "1", type: "ADDED", object: 2 });
    expect(nodes.onEvent.mock.calls).toEqual([[{ type: "ADDED", object: 1 }]]);
    expect(pods.onEvent.mock.calls).toEqual([[{ type: "ADDED", object: 2 }]]);
  });

  it("begin anew when the history is too short, and go on when they have run their time", () => {
    const pods = subscriber("7");
    socket.subscribe(pods);
    latest().accept();
    latest().say({ id: "1", type: "END", object: {} });
    latest().say({ id: "1", type: "ERROR", object: { code: 410 } });
    expect(latest().sent.map(({ query }) => query)).toEqual([
      { resourceVersion: "7" },
      { resourceVersion: "7" },
      {},
    ]);
    expect(pods.onRestart).toHaveBeenCalledTimes(1);
  });
});

describe("a connection that was asked for before", () => {
  const given = () => {
    const early = new FakeWebSocket();
    socket = new WatchSocket("ws://here/ws/watch", refused, early as unknown as WebSocket);
    return early;
  };

  it("is taken while it comes about", () => {
    const early = given();
    socket.subscribe(subscriber());
    early.accept();
    expect([FakeWebSocket.made.length, early.asked("watch").length]).toEqual([1, 1]);
  });

  it("is taken when it is there", () => {
    const early = given();
    early.accept();
    socket.subscribe(subscriber());
    socket.subscribe(subscriber());
    expect([socket.state, early.asked("watch").map(({ id }) => id)]).toEqual(["open", ["1", "2"]]);
  });

  it("is left when it has failed", () => {
    given().drop();
    socket.subscribe(subscriber());
    expect(FakeWebSocket.made).toHaveLength(2);
  });
});

describe("a lost connection", () => {
  const open = () => {
    socket.subscribe(subscriber());
    latest().accept();
  };

  it("is noticed when a quiet one does not answer", () => {
    open();
    vi.advanceTimersByTime(12_000);
    expect(latest().asked("ping")).toHaveLength(1);
    expect(socket.state).toBe("open");
    vi.advanceTimersByTime(5_000);
    expect(socket.state).toBe("lost");
    vi.advanceTimersByTime(1_000);
    expect(FakeWebSocket.made).toHaveLength(2);
  });

  it("is not one that answers, or that says something else", () => {
    open();
    for (let round = 0; round < 5; round++) {
      vi.advanceTimersByTime(12_000);
      latest().say(round % 2 ? pong : { id: "1", type: "BOOKMARK", object: {} });
    }
    vi.advanceTimersByTime(9_000);
    expect([socket.state, FakeWebSocket.made.length]).toEqual(["open", 1]);
  });

  it.each([
    ["the network goes", () => window.dispatchEvent(new Event("offline"))],
    ["the network comes", () => window.dispatchEvent(new Event("online"))],
    ["the page is looked at again", () => document.dispatchEvent(new Event("visibilitychange"))],
    ["the page is thawed", () => document.dispatchEvent(new Event("resume"))],
    [
      "the machine has slept",
      () => {
        vi.setSystemTime(Date.now() + 3_600_000);
        vi.advanceTimersByTime(2_000);
      },
    ],
  ])("is noticed within two seconds when %s", (_, happen) => {
    open();
    happen();
    expect(latest().asked("ping")).toHaveLength(1);
    vi.advanceTimersByTime(2_000);
    expect(socket.state).toBe("lost");
  });

  it("is not one that was asked before the machine slept and answers after it", () => {
    open();
    vi.advanceTimersByTime(12_000);
    vi.setSystemTime(Date.now() + 3_600_000);
    vi.advanceTimersByTime(3_000);
    latest().say(pong);
    vi.advanceTimersByTime(8_000);
    expect([socket.state, FakeWebSocket.made.length]).toEqual(["open", 1]);
  });

  it("is looked for anew without end, and who asks is told when it was refused", () => {
    open();
    latest().drop();
    expect(refused).not.toHaveBeenCalled();
    for (let round = 0; round < 8; round++) {
      vi.advanceTimersByTime(5_000);
      latest().drop();
    }
    expect(refused).toHaveBeenCalledTimes(8);
    expect(FakeWebSocket.made).toHaveLength(9);
    vi.advanceTimersByTime(5_000);
    latest().accept();
    expect(socket.state).toBe("open");
  });

  it("is looked for anew when nobody answers at all", () => {
    socket.subscribe(subscriber());
    vi.advanceTimersByTime(20_000);
    expect(socket.state).toBe("lost");
    vi.advanceTimersByTime(1_000);
    expect(FakeWebSocket.made).toHaveLength(2);
  });

  it("is looked for at once when the network comes, also where an attempt hangs", () => {
    socket.subscribe(subscriber());
    window.dispatchEvent(new Event("online"));
    expect(FakeWebSocket.made).toHaveLength(2);
    latest().drop();
    window.dispatchEvent(new Event("online"));
    expect(FakeWebSocket.made).toHaveLength(3);
  });

  it("is not looked for after signing out", () => {
    open();
    socket.close();
    window.dispatchEvent(new Event("online"));
    vi.advanceTimersByTime(60_000);
    expect(FakeWebSocket.made).toHaveLength(1);
  });
});

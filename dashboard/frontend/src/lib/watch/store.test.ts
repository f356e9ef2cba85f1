import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Subscriber, WatchSocket } from "./socket";
import { LiveStore } from "./store";

/** Keeps what was subscribed, so that a test can play the server. */
class FakeSocket {
  subscribers: Subscriber[] = [];
  stopped = 0;
  subscribe(subscriber: Subscriber): () => void {
    this.subscribers.push(subscriber);
    return () => {
      this.stopped += 1;
    };
  }
}

const pod = (name: string, resourceVersion: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, uid: name, resourceVersion, creationTimestamp: "" },
});
const end = {
  ...pod("", "5"),
  metadata: { ...pod("", "5").metadata, annotations: { "k8s.io/initial-events-end": "true" } },
};
let frames: FrameRequestCallback[] = [];
const nextFrame = () => {
  for (const frame of frames.splice(0)) frame(0);
};

let socket: FakeSocket;
let store: LiveStore;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("document", { hidden: false });
  vi.stubGlobal("requestAnimationFrame", (frame: FrameRequestCallback) => frames.push(frame));
  vi.stubGlobal("cancelAnimationFrame", () => {});
  socket = new FakeSocket();
  store = new LiveStore(socket as unknown as WatchSocket);
});
afterEach(() => {
  frames = [];
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const pods = { path: "/api/v1/pods" };

it("shares one watch, and tells a frame's events once", () => {
  const [one, two] = [vi.fn(), vi.fn()];
  store.subscribe(pods, one);
  store.subscribe(pods, two);
  expect(socket.subscribers).toHaveLength(1);
  for (const event of [pod("a", "1"), pod("b", "2")])
    socket.subscribers[0]?.onEvent({ type: "ADDED", object: event });
  socket.subscribers[0]?.onEvent({ type: "BOOKMARK", object: end });
  expect(one).not.toHaveBeenCalled();
  nextFrame();
  expect([one.mock.calls.length, two.mock.calls.length]).toEqual([1, 1]);
  expect(store.get(pods).objects.size).toBe(2);
});

it("keeps a list for a while after the last has left", () => {
  const leave = store.subscribe(pods, () => {});
  leave();
  vi.advanceTimersByTime(29_000);
  store.subscribe(pods, () => {})();
  expect([socket.subscribers.length, socket.stopped]).toEqual([1, 0]);
  vi.advanceTimersByTime(31_000);
  expect(socket.stopped).toBe(1);
});

it("resumes after what has come, also before it is drawn, and anew while a list is not complete", () => {
  store.subscribe(pods, () => {});
  const subscriber = socket.subscribers[0] as Subscriber;
  subscriber.onEvent({ type: "ADDED", object: pod("a", "1") });
  expect(subscriber.resumeFrom()).toBe("");
  subscriber.onEvent({ type: "BOOKMARK", object: end });
  subscriber.onEvent({ type: "MODIFIED", object: pod("a", "7") });
  expect(subscriber.resumeFrom()).toBe("7");
});

import { afterEach, describe, expect, it, vi } from "vitest";
import { queryString, request, setCsrfToken, whenUnauthenticated } from "./client";
import { ApiError, refusedAt, Unreachable } from "./errors";

const answer = (status: number, body: unknown) =>
  vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response(JSON.stringify(body), { status }));

afterEach(() => vi.restoreAllMocks());

it("tells which field a Status complains about", async () => {
  const causes = [{ field: "spec.replicas", message: "must be greater than or equal to 0" }];
  answer(422, { kind: "Status", message: "invalid", reason: "Invalid", details: { causes } });
  const error = await request("/x").catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ApiError);
  expect((error as ApiError).forField("spec.replicas")).toBe("must be greater than or equal to 0");
  expect((error as ApiError).forField("spec.paused")).toBeUndefined();
});

it("sends the CSRF token with writes only", async () => {
  setCsrfToken("abc");
  const fetched = answer(200, {});
  await request("/x");
  await request("/x", { method: "PATCH", body: {} });
  const tokens = fetched.mock.calls.map(([, init]) => (init?.headers as Headers).get("X-CSRFToken"));
  expect(tokens).toEqual([null, "abc"]);
});

it("says when nobody answers, and when the login is over", async () => {
  vi.spyOn(globalThis, "fetch").mockRejectedValue(new TypeError("Failed to fetch"));
  await expect(request("/x")).rejects.toBeInstanceOf(Unreachable);
  const lost = vi.fn();
  whenUnauthenticated(lost);
  answer(401, { kind: "Status", message: "Unauthorized" });
  await expect(request("/x")).rejects.toMatchObject({ code: 401 });
  expect(lost).toHaveBeenCalledOnce();
});

it("leaves empty parameters out", () => {
  expect(queryString({ a: "1", b: "", c: undefined })).toBe("?a=1");
  expect(queryString()).toBe("");
});

describe("what a refusal says of a field", () => {
  const causes = [
    { field: "spec.replicas", message: "must not be negative" },
    { field: "spec.taints[0].effect", message: "Unsupported value" },
  ];
  const refusal = new ApiError(422, "invalid", { kind: "Status", details: { causes } });

  it.each([
    ["spec.replicas", "must not be negative"],
    ["spec.taints", "Unsupported value"],
    ["spec.rep", undefined],
    ["metadata.labels", undefined],
  ])("%s", (field, expected) => {
    expect(refusedAt(refusal, field)).toBe(expected);
    expect(refusedAt(new Error("the control plane does not answer"), field)).toBeUndefined();
  });
});

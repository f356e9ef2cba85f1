import { afterEach, expect, it, vi } from "vitest";
import { queryString, request, setCsrfToken, whenUnauthenticated } from "./client";
import { ApiError, Unreachable } from "./errors";

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

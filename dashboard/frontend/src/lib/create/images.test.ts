import { expect, it } from "vitest";
import { imageOffers } from "./images";

const known = {
  address: "localhost:5000",
  aliases: ["10.0.0.1:5000"],
  repositories: [
    { path: "shop/web", tags: ["3", "2"] },
    { path: "shop/web-admin", tags: [] },
  ],
  present: [
    "docker.io/library/redis:7",
    "10.0.0.1:5000/shop/web:2",
    "localhost:5000/shop/web:2",
    "redis@sha256:abc",
  ],
};

it.each([
  ["", ["localhost:5000/shop/web:3", "localhost:5000/shop/web-admin:latest", "docker.io/library/redis:7"]],
  ["web", ["localhost:5000/shop/web:3", "localhost:5000/shop/web-admin:latest"]],
  ["5000 admin", ["localhost:5000/shop/web-admin:latest"]],
  ["localhost:5000/shop/web:", ["localhost:5000/shop/web:3", "localhost:5000/shop/web:2"]],
  ["localhost:5000/shop/web:2", ["localhost:5000/shop/web:3", "localhost:5000/shop/web:2"]],
  ["nginx", []],
])("for %j offers %j", (typed, offered) => {
  expect(imageOffers(typed, known)).toEqual(offered);
});

it("does without a registry", () => {
  expect(imageOffers("", { ...known, address: "" })).toEqual([
    "docker.io/library/redis:7",
    "localhost:5000/shop/web:2",
  ]);
});

import { describe, expect, test } from "vitest";
import { bars, instructionText, ownBytes } from "./layers";

const sharer = { name: "x", references: ["a:1"] };

describe("layers as bars", () => {
  const layers = [
    { sizeBytes: 600, fromBase: true, sharedBy: [sharer] },
    { sizeBytes: 300, sharedBy: [sharer] },
    { sizeBytes: 100 },
    {},
  ];

  test("each has its share of the image, its width beside the largest, and where it is from", () => {
    expect(bars(layers).map(({ origin, percent, width }) => [origin, percent, Math.round(width)])).toEqual([
      ["base", 60, 100],
      ["shared", 30, 50],
      ["own", 10, 17],
      ["own", 0, 0],
    ]);
    expect(ownBytes(layers)).toBe(100);
  });

  test("without sizes there is nothing to divide by", () => {
    expect(bars([{}, {}]).map(({ percent, width }) => [percent, width])).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(bars([])).toEqual([]);
  });
});

test.each([
  ['/bin/sh -c #(nop)  CMD ["bash"]', 'CMD ["bash"]'],
  ["/bin/sh -c apt-get update", "RUN apt-get update"],
  ["RUN /bin/sh -c make # buildkit", "RUN make"],
  ["|1 WHOM=Ada /bin/sh -c echo $WHOM", "RUN echo $WHOM"],
  ["COPY . /app # buildkit", "COPY . /app"],
  ["tests/images.py", "tests/images.py"],
])("%s is written %s", (written, expected) => {
  expect(instructionText(written)).toBe(expected);
});

import { expect, it } from "vitest";
import { words } from "./words";

it.each<[string, string[] | null]>([
  ["", []],
  ["  sh  -l ", ["sh", "-l"]],
  ["sh -c 'a \"b\" $c'", ["sh", "-c", 'a "b" $c']],
  ['echo "it\'s" a\\ b ""', ["echo", "it's", "a b", ""]],
  ["sh -c 'open", null],
])("%s", (line, wanted) => expect(words(line)).toEqual(wanted));

/** Splits a command line as a shell would, without expanding anything. Null when a quote is not closed. */
export function words(line: string): string[] | null {
  const found: string[] = [];
  let word = "";
  let isWord = false;
  let quote = "";
  for (let index = 0; index < line.length; index++) {
    const letter = line[index] as string;
    if (letter === "\\" && quote !== "'" && index + 1 < line.length) {
      word += line[++index];
      isWord = true;
    } else if (quote) {
      if (letter === quote) quote = "";
      else word += letter;
    } else if (letter === "'" || letter === '"') {
      quote = letter;
      isWord = true;
    } else if (/\s/.test(letter)) {
      if (isWord) found.push(word);
      word = "";
      isWord = false;
    } else {
      word += letter;
      isWord = true;
    }
  }
  if (quote) return null;
  return isWord ? [...found, word] : found;
}

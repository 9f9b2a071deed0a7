const minBeginningLength = 3; // fewer letters begin too many words

/**
 * The candidate that is most likely meant by a misspelt word, compared without case; undefined when none comes near:
 * up to two letters may differ, or a third of a longer word's. Where none does, one that begins with the word.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const among = [...candidates];
  const wanted = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of among) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < bestDistance && distance < Math.max(wanted.length, candidate.length)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  if (best !== undefined || wanted.length < minBeginningLength) return best;
  return among.find((candidate) => candidate.toLowerCase().startsWith(wanted));
}

/** How many letters must be put in, taken out or replaced to make one word of the other (Levenshtein). */
export function editDistance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = above[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, above[column]! + 1, current[column - 1]! + 1));
    }
    above = current;
  }
  return above[to.length]!;
}

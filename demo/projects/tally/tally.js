/** How often each word occurs in a text. */
export function tally(text) {
  const counts = new Map();
  for (const word of text.split(/\s+/).filter(Boolean)) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

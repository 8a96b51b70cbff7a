/**
 * How well a text answers a search: null if the letters of the query don't come
 * in it in this order, and otherwise more for letters that stand together and
 * at the beginnings of words. Case and the spaces of the query don't matter.
 */
export function fuzzyScore(query: string, text: string): number | null {
  const wanted = query.toLowerCase().replace(/\s+/g, "");
  const given = text.toLowerCase();
  if (wanted === "") return 0;
  const length = given.length / 100;
  const whole = given.indexOf(query.trim().toLowerCase());
  if (whole >= 0 && isWordStart(given, whole)) return 100 + 10 * wanted.length - whole / 10 - length;
  let score = 0;
  let from = 0;
  let together = 0;
  for (const letter of wanted) {
    const at = given.indexOf(letter, from);
    if (at < 0) return null;
    together = at === from && from > 0 ? together + 1 : 0;
    score += 1 + together * 4 + (isWordStart(given, at) ? 8 : 0) - Math.min(3, (at - from) / 4);
    from = at + 1;
  }
  return score - length;
}

function isWordStart(text: string, at: number): boolean {
  return at === 0 || /[^\p{L}\p{N}]/u.test(text.charAt(at - 1));
}

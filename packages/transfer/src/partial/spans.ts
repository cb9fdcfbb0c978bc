/** Bytes `[start, end)` of a file. */
export type Span = readonly [start: number, end: number];

/** Adds a span; spans that touch or overlap are merged. Lists are sorted, their spans disjoint and not adjacent. */
export function addSpan(spans: readonly Span[], added: Span): readonly Span[] {
  let [start, end] = added;
  if (end <= start) return spans;
  const before: Span[] = [];
  const after: Span[] = [];
  for (const span of spans) {
    if (span[1] < start) before.push(span);
    else if (span[0] > end) after.push(span);
    else {
      start = Math.min(start, span[0]);
      end = Math.max(end, span[1]);
    }
  }
  return [...before, [start, end], ...after];
}

/** Removes the bytes of a span. */
export function removeSpan(spans: readonly Span[], [start, end]: Span): readonly Span[] {
  if (end <= start) return spans;
  return spans.flatMap(([from, to]): Span[] => {
    const left: Span = [from, Math.min(to, start)];
    const right: Span = [Math.max(from, end), to];
    return [left, right].filter(([first, last]) => first < last);
  });
}

/** The bytes missing between 0 and `size`. */
export function gapsOf(spans: readonly Span[], size: number): readonly Span[] {
  return spans.reduce(removeSpan, size > 0 ? [[0, size]] : ([] as readonly Span[]));
}

export function bytesOf(spans: readonly Span[]): number {
  return spans.reduce((sum, [start, end]) => sum + end - start, 0);
}

/** Where the first gap begins. */
export function frontierOf(spans: readonly Span[]): number {
  const [start, end] = spans[0] ?? [0, 0];
  return start === 0 ? end : 0;
}

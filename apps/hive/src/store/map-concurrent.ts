/** File operations that a store has under way at once: enough to keep the thread pool busy, few enough to starve nobody. */
const DEFAULT_AT_ONCE = 16;

/** Does the work for each item, so many at a time; the answers are in the order of the items. The first failure ends it. */
export async function mapAtOnce<T, U>(
  items: readonly T[],
  work: (item: T) => Promise<U>,
  atOnce: number = DEFAULT_AT_ONCE,
): Promise<U[]> {
  const answers: U[] = new Array(items.length);
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) answers[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return answers;
}

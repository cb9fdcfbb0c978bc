/** Concurrent file operations of a store: enough to keep the thread pool busy without starving its other users. */
const DEFAULT_CONCURRENCY = 16;

/** A bounded parallel map: results are in the order of the items, and the first failure stops it. */
export async function mapConcurrent<T, U>(
  items: readonly T[],
  work: (item: T) => Promise<U>,
  concurrency: number = DEFAULT_CONCURRENCY,
): Promise<U[]> {
  const results: U[] = new Array(items.length);
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  return results;
}

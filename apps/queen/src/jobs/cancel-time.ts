import { setTimeout as delay } from 'node:timers/promises';

/** The response to a cancel waits no longer for the hives. */
const WITHIN_MS = 4_500;

/** What `work` results in, or `otherwise` once the response to a cancel is due. */
export async function within<T>(work: Promise<T>, otherwise: T): Promise<T> {
  const over = new AbortController();
  const limit = delay(WITHIN_MS, otherwise, { signal: over.signal }).catch(() => otherwise);
  try {
    return await Promise.race([work, limit]);
  } finally {
    over.abort();
  }
}

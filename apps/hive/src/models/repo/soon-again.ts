import { setTimeout as delay } from 'node:timers/promises';
import { RbeeError } from '@rbee/contract';

const PAUSE_MS = 200;
/** Someone waits for the response: a server that asks for a longer pause is not asked again. */
const MAX_PAUSE_MS = 2_000;

/** Work that is done once more where it fails as a connection may, and it makes sense to wait for it. */
export async function soonAgain<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RbeeError) || !error.retryable) throw error;
    const pauseMs = Math.max(PAUSE_MS, error.retryAfterMs ?? 0);
    const status = error.details?.['status'];
    const isRefusal = typeof status === 'number' && status >= 400 && status < 500 && status !== 429 && status !== 408;
    if (isRefusal || pauseMs > MAX_PAUSE_MS) throw error;
    await delay(pauseMs, null, { signal });
    return work();
  }
}

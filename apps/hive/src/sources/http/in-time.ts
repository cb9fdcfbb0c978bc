import { RbeeError } from '@rbee/contract';

/** Work that asks a host, with a time limit beside the signal. @throws RbeeError DOWNLOAD_TIMEOUT */
export async function inTime<T>(
  limitMs: number,
  signal: AbortSignal,
  host: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeout = AbortSignal.timeout(limitMs);
  try {
    return await work(AbortSignal.any([signal, timeout]));
  } catch (error) {
    signal.throwIfAborted();
    if (!timeout.aborted) throw error;
    throw new RbeeError('DOWNLOAD_TIMEOUT', `${host} did not respond within ${limitMs / 1_000} s`, {
      hint: 'check the network and the proxy settings of this machine',
    });
  }
}

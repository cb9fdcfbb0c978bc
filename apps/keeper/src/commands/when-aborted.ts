/** Resolves with null when the signal aborts: for racing against work that is to go on beside it. */
export async function whenAborted(signal: AbortSignal): Promise<null> {
  if (signal.aborted) return null;
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(null), { once: true }));
}

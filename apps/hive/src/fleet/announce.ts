import { type Clock, type HiveReady, queenRoutes, RbeeError } from '@rbee/contract';
import { callRoute, PeerError } from '@rbee/daemon';
import type { Dispatcher } from 'undici';

/** How often a hive registers: a queen that restarted knows it again within this time. */
const REPEAT_MS = 5_000;
const FIRST_DELAY_MS = 100;
const TIMEOUT_MS = 5_000;
const MAX_RESPONSE_BYTES = 64 * 1024;

export interface AnnounceDeps {
  readonly queenUrl: string;
  readonly token: string | null;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Aborts after that many milliseconds; `AbortSignal.timeout` by default. */
  readonly deadline?: (ms: number) => AbortSignal;
}

/**
 * Registers this hive with the queen, and again every 5 s. While the queen cannot be reached or refuses it, the delay
 * starts at 100 ms and doubles up to 5 s. Logs only what has changed since the last attempt. Returns a function that
 * stops it.
 */
export function announce(deps: AnnounceDeps, ready: HiveReady): () => void {
  const controller = new AbortController();
  let cancelTimer = () => {};
  let delayMs = FIRST_DELAY_MS;
  /** The result of the last attempt; undefined before the first. */
  let before: string | null | undefined;

  const attempt = async () => {
    const problem = await register(deps, ready, controller.signal);
    if (controller.signal.aborted) return;
    if (problem !== before) {
      const { queenUrl, log } = deps;
      if (problem === null) log.info({ queenUrl }, 'registered with the queen');
      else log.warn({ queenUrl, problem }, 'not registered with the queen');
      if (problem !== null && before === null) delayMs = FIRST_DELAY_MS / 2;
    }
    before = problem;
    delayMs = problem === null ? REPEAT_MS : Math.min(delayMs * 2, REPEAT_MS);
    cancelTimer = deps.clock.setTimer(delayMs, () => void attempt());
  };
  void attempt();
  return () => {
    controller.abort();
    cancelTimer();
  };
}

/** What went wrong, or null. */
async function register(deps: AnnounceDeps, ready: HiveReady, signal: AbortSignal): Promise<string | null> {
  const { queenUrl: url, token, dispatcher, deadline } = deps;
  const options = { body: ready, timeoutMs: TIMEOUT_MS, maxResponseBytes: MAX_RESPONSE_BYTES, signal };
  try {
    await callRoute({ url, token, dispatcher, deadline }, queenRoutes.hiveReady, options);
    return null;
  } catch (error) {
    // Another hive may use the name, or the token may be wrong.
    if (error instanceof RbeeError) return `refused: ${error.message}`;
    if (error instanceof PeerError && error.hint !== null) return `${error.message}: ${error.hint}`;
    return error instanceof Error ? error.message : String(error);
  }
}

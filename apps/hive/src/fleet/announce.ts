import { type Clock, type HiveReady, pathOf, queenRoutes } from '@rbee/contract';
import { type Dispatcher, request } from 'undici';

/** How often a hive says again that it is there: a queen that was away learns of it within this time. */
const REPEAT_MS = 5_000;
const FIRST_DELAY_MS = 100;
const TIMEOUT_MS = 5_000;

export interface AnnounceDeps {
  readonly queenUrl: string;
  readonly token: string | null;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

/**
 * Tells the queen that this hive is there, and again every 5 s; while she cannot be reached, after 100 ms doubling to
 * 5 s. A change from reached to not reached, or back, is logged once. The answer stops it.
 */
export function announce(deps: AnnounceDeps, ready: HiveReady): () => void {
  const controller = new AbortController();
  let cancelTimer = () => {};
  let delayMs = FIRST_DELAY_MS;
  let reached: boolean | null = null;

  const say = async () => {
    const problem = await post(deps, ready, controller.signal);
    if (controller.signal.aborted) return;
    if (problem !== null && reached !== false) deps.log.warn({ queenUrl: deps.queenUrl, problem }, 'queen not reached');
    if (problem === null && reached !== true) deps.log.info({ queenUrl: deps.queenUrl }, 'registered with the queen');
    reached = problem === null;
    delayMs = reached ? REPEAT_MS : Math.min(delayMs * 2, REPEAT_MS);
    cancelTimer = deps.clock.setTimer(delayMs, () => void say());
  };
  void say();
  return () => {
    controller.abort();
    cancelTimer();
  };
}

/** What went wrong, or null. */
async function post(deps: AnnounceDeps, ready: HiveReady, signal: AbortSignal): Promise<string | null> {
  try {
    const { statusCode, body } = await request(`${deps.queenUrl}${pathOf(queenRoutes.hiveReady)}`, {
      method: 'POST',
      dispatcher: deps.dispatcher,
      headers: {
        'content-type': 'application/json',
        ...(deps.token === null ? {} : { authorization: `Bearer ${deps.token}` }),
      },
      body: JSON.stringify(ready),
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
      signal,
    });
    await body.dump();
    return statusCode === 200 ? null : `it answers ${statusCode}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

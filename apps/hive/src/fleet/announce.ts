import { type Clock, fromErrorBody, type HiveReady, pathOf, queenRoutes } from '@rbee/contract';
import { connectionProblem } from '@rbee/daemon';
import { type Dispatcher, request } from 'undici';

/** How often a hive says again that it is there: a queen that was away learns of it within this time. */
const REPEAT_MS = 5_000;
const FIRST_DELAY_MS = 100;
/** For all of it, from the connecting to the end of her answer. */
const TIMEOUT_MS = 5_000;
/** The largest answer that is read: what she says of a hive, or why she refuses it. */
const MAX_ANSWER_CHARS = 64 * 1024;

export interface AnnounceDeps {
  readonly queenUrl: string;
  readonly token: string | null;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Aborts after so many milliseconds. The clock's own where nothing is said. */
  readonly deadline?: (ms: number) => AbortSignal;
}

/**
 * Tells the queen that this hive is there, and again every 5 s; while she cannot be reached or refuses it, after 100 ms
 * doubling to 5 s. What goes wrong is logged when it changes, and that she is reached (again). The answer stops it.
 */
export function announce(deps: AnnounceDeps, ready: HiveReady): () => void {
  const controller = new AbortController();
  let cancelTimer = () => {};
  let delayMs = FIRST_DELAY_MS;
  /** What went wrong the last time; undefined before the first. */
  let before: string | null | undefined;

  const say = async () => {
    const problem = await post(deps, ready, controller.signal);
    if (controller.signal.aborted) return;
    if (problem !== before) {
      const { queenUrl, log } = deps;
      if (problem === null) log.info({ queenUrl }, 'registered with the queen');
      else log.warn({ queenUrl, problem }, 'queen not reached');
      if (problem !== null && before === null) delayMs = FIRST_DELAY_MS / 2;
    }
    before = problem;
    delayMs = problem === null ? REPEAT_MS : Math.min(delayMs * 2, REPEAT_MS);
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
  const { deadline = AbortSignal.timeout } = deps;
  try {
    const { statusCode, body } = await request(`${deps.queenUrl}${pathOf(queenRoutes.hiveReady)}`, {
      method: 'POST',
      dispatcher: deps.dispatcher,
      headers: {
        'content-type': 'application/json',
        ...(deps.token === null ? {} : { authorization: `Bearer ${deps.token}` }),
      },
      body: JSON.stringify(ready),
      // The timeouts of headers and body count neither the connecting nor a body that comes drop by drop.
      signal: AbortSignal.any([signal, deadline(TIMEOUT_MS)]),
    });
    const answer = await readText(body);
    if (statusCode === 200) return null;
    return refusalOf(answer) ?? `it answers ${statusCode}`;
  } catch (error) {
    const { what, hint } = connectionProblem(error);
    return hint === null ? what : `${what}: ${hint}`;
  }
}

async function readText(body: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of body) {
    text += chunk.toString();
    if (text.length > MAX_ANSWER_CHARS) throw new Error('her answer has no end');
  }
  return text;
}

/** The queen's own words: another hive may have the name, or the token may be wrong. */
function refusalOf(answer: string): string | null {
  try {
    const refusal = fromErrorBody(JSON.parse(answer));
    return refusal === null ? null : `she refuses this hive: ${refusal.message}`;
  } catch {
    return null;
  }
}

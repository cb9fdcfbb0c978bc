import { type Clock, type HiveHeartbeat, hiveHeartbeatSchema, hiveRoutes, pathOf, tlsProblemOf } from '@rbee/contract';
import { FollowError, follow } from '@rbee/event-stream';
import type { Dispatcher } from 'undici';
import type { HiveEntry } from './hive-entry.ts';

/** Delay before the next try when a hive rejects the request for its heartbeats. */
const REJECTED_RETRY_MS = 5_000;
const WATCHDOG_MS = 10_000;

export interface FollowHeartbeatsDeps {
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  readonly headers: Readonly<Record<string, string>>;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

type OnHeartbeat = (heartbeat: HiveHeartbeat, isFirstOfConnection: boolean) => void;

/** Follows the heartbeats of a hive until the signal aborts. An error becomes the entry's `problem`, and is logged once. */
export async function followHeartbeats(
  deps: FollowHeartbeatsDeps,
  entry: HiveEntry,
  signal: AbortSignal,
  onHeartbeat: OnHeartbeat,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await followOnce(deps, entry, signal, onHeartbeat);
    } catch (error) {
      if (signal.aborted) return;
      entry.isConnected = false;
      note(deps, entry, problemOf(error));
      await waitForRetry(deps.clock, signal);
    }
  }
}

async function followOnce(
  deps: FollowHeartbeatsDeps,
  entry: HiveEntry,
  signal: AbortSignal,
  onHeartbeat: OnHeartbeat,
): Promise<void> {
  let isFirst = true;
  await follow({
    url: `${entry.hiveUrl}${pathOf(hiveRoutes.heartbeats)}`,
    events: ['heartbeat'],
    dispatcher: deps.dispatcher,
    headers: deps.headers,
    signal,
    watchdogMs: WATCHDOG_MS,
    isTerminal: () => false,
    onConnection(change) {
      entry.isConnected = change.state === 'open';
      isFirst = true;
      // It is retried as usual, but an untrusted certificate does not mend itself.
      const tls = change.state === 'lost' ? tlsProblemOf(change.reason) : null;
      if (tls !== null) note(deps, entry, `no secure connection: ${tls.what}; at the queen: ${tls.hint}`);
    },
    onEvent({ event, data }) {
      if (event !== 'heartbeat') return;
      const heartbeat = hiveHeartbeatSchema.parse(JSON.parse(data));
      if (heartbeat.hive_id !== entry.hiveId) throw new OtherHiveError(heartbeat.hive_id);
      entry.problem = null;
      onHeartbeat(heartbeat, isFirst);
      isFirst = false;
    },
  });
}

function note(deps: FollowHeartbeatsDeps, entry: HiveEntry, problem: string): void {
  const { hiveId, hiveUrl } = entry;
  if (problem !== entry.problem) deps.log.warn({ hiveId, hiveUrl, problem }, 'cannot follow a hive');
  entry.problem = problem;
}

/** Another hive is at the address of the one that is followed. */
class OtherHiveError extends Error {
  override readonly name = 'OtherHiveError';

  constructor(hiveId: string) {
    super(`the hive at this address calls itself ${hiveId}`);
  }
}

function problemOf(error: unknown): string {
  if (error instanceof OtherHiveError) return error.message;
  if (error instanceof FollowError) return `it rejects the request for its heartbeats: ${error.message}`;
  return 'its heartbeats do not match this version';
}

async function waitForRetry(clock: Clock, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancelTimer = clock.setTimer(REJECTED_RETRY_MS, resolve);
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  cancelTimer();
}

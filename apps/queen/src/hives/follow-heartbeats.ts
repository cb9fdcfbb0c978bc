import { type Clock, type HiveHeartbeat, hiveHeartbeatSchema, hiveRoutes, pathOf, tlsProblemOf } from '@rbee/contract';
import { FollowError, follow } from '@rbee/event-stream';
import type { Dispatcher } from 'undici';
import { createDropLog, issueOf } from './drop-log.ts';
import type { HiveEntry } from './hive-entry.ts';

/** Delay before the next try when a hive rejects the request for its heartbeats. */
const REJECTED_RETRY_MS = 5_000;
const WATCHDOG_MS = 10_000;
const UNREADABLE = 'its heartbeats do not match this version';

export interface FollowHeartbeatsDeps {
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  readonly headers: Readonly<Record<string, string>>;
  readonly log: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
}

export interface HeartbeatListener {
  onHeartbeat(heartbeat: HiveHeartbeat, isFirstOfConnection: boolean): void;
  /** The connection has ended. */
  onLost(): void;
  /** The entry's `problem` has changed. */
  onProblem(): void;
}

/** Follows the heartbeats of a hive until the signal aborts. An error becomes the entry's `problem`, and is logged once. */
export async function followHeartbeats(
  deps: FollowHeartbeatsDeps,
  entry: HiveEntry,
  signal: AbortSignal,
  listener: HeartbeatListener,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await followOnce(deps, entry, signal, listener);
    } catch (error) {
      if (signal.aborted) return;
      entry.isConnected = false;
      note(deps, entry, problemOf(error), listener);
      await waitForRetry(deps.clock, signal);
    }
  }
}

async function followOnce(
  deps: FollowHeartbeatsDeps,
  entry: HiveEntry,
  signal: AbortSignal,
  listener: HeartbeatListener,
): Promise<void> {
  let isFirst = true;
  const drops = createDropLog(deps.log, { hiveId: entry.hiveId }, 'a heartbeat was dropped');
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
      if (tls !== null) note(deps, entry, `no secure connection: ${tls.what}; at the queen: ${tls.hint}`, listener);
      if (change.state === 'lost') listener.onLost();
    },
    onDropped: (reason) => drops.dropped(reason),
    onEvent({ event, data, id }) {
      if (event !== 'heartbeat' || isRepeat(entry, id)) return;
      const heartbeat = readHeartbeat(data);
      if (typeof heartbeat === 'string') {
        drops.dropped(heartbeat);
        // One that cannot be read may be an accident. A hive that sends nothing else is offline, and this is why.
        if (!entry.online) note(deps, entry, UNREADABLE, listener);
        return;
      }
      if (heartbeat.hive_id !== entry.hiveId) throw new OtherHiveError(heartbeat.hive_id);
      const hadProblem = entry.problem !== null;
      entry.problem = null;
      if (hadProblem) listener.onProblem();
      const wasFirst = isFirst;
      isFirst = false;
      try {
        listener.onHeartbeat(heartbeat, wasFirst);
      } catch (error) {
        // A fault of the queen, such as a full disk, is not the hive's.
        deps.log.error({ hiveId: entry.hiveId, err: error }, 'a heartbeat could not be processed');
      }
    },
  });
}

/** A new connection starts with the newest heartbeat, which is no sign of life if it was there before. */
function isRepeat(entry: HiveEntry, id: string): boolean {
  if (id !== '' && id === entry.lastEventId) return true;
  entry.lastEventId = id;
  return false;
}

/** The heartbeat, or why it cannot be read. */
function readHeartbeat(data: string): HiveHeartbeat | string {
  try {
    const parsed = hiveHeartbeatSchema.safeParse(JSON.parse(data));
    return parsed.success ? parsed.data : issueOf(parsed.error);
  } catch {
    return 'it is not JSON';
  }
}

function note(deps: FollowHeartbeatsDeps, entry: HiveEntry, problem: string, listener: HeartbeatListener): void {
  const { hiveId, hiveUrl } = entry;
  if (problem === entry.problem) return;
  deps.log.warn({ hiveId, hiveUrl, problem }, 'cannot follow a hive');
  entry.problem = problem;
  listener.onProblem();
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
  return 'it cannot be followed; see the log of the queen';
}

async function waitForRetry(clock: Clock, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancelTimer = clock.setTimer(REJECTED_RETRY_MS, resolve);
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  cancelTimer();
}

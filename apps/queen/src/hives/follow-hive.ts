import type { Clock } from '@rbee/contract';
import { requestIdHeader } from '@rbee/daemon';
import { type ConnectionChange, FollowError, type FollowedEvent, follow } from '@rbee/event-stream';
import type { Dispatcher } from 'undici';

/** Timeout for asking which hive is at an address. */
const IDENTIFY_TIMEOUT_MS = 2_000;
/** Delay before the next try while another hive or none is at the address, unless the hive arrives earlier. */
const RETRY_MS = 5_000;

export interface FollowHiveDeps {
  readonly fleet: {
    /** @throws RbeeError HIVE_NOT_FOUND */
    get(hiveId: string): { readonly hive_url: string };
    onArrival(hiveId: string, listener: () => void): () => void;
  };
  readonly identify: (hiveUrl: string, timeoutMs: number) => Promise<string | null>;
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  readonly headers: Readonly<Record<string, string>>;
  /** Tests that lose a hive make it shorter. */
  readonly watchdogMs?: number;
}

/** A stream of a hive. */
export interface HiveStream {
  readonly hiveId: string;
  readonly path: string;
  readonly events: readonly string[];
  readonly signal: AbortSignal;
  readonly maxEventChars?: number;
  readonly onEvent: (event: FollowedEvent) => void;
  readonly isTerminal: (event: FollowedEvent) => boolean;
  readonly onConnection?: (change: ConnectionChange) => void;
}

/**
 * Follows a stream of a hive to its end wherever the hive is: over restarts, at a new address when it has moved, and
 * immediately when its heartbeats are back.
 * @throws FollowError when the hive itself rejects the stream; `signal.reason` on abort
 */
export async function followHive(deps: FollowHiveDeps, stream: HiveStream): Promise<void> {
  const memory: { last: FollowedEvent | null } = { last: null };
  for (;;) {
    const turn = new AbortController();
    try {
      await followOnce(deps, stream, turn, memory);
      return;
    } catch (error) {
      stream.signal.throwIfAborted();
      if (turn.signal.aborted) continue;
      if (await isRejection(deps, stream, error)) throw error;
      stream.onConnection?.({ state: 'lost', reason: 'another hive is at its address', attempt: 1 });
      await waitForArrival(deps, stream);
    }
  }
}

/** One try at one address; the turn's signal ends it when there is a reason for another. */
async function followOnce(
  deps: FollowHiveDeps,
  stream: HiveStream,
  turn: AbortController,
  memory: { last: FollowedEvent | null },
): Promise<void> {
  const { hiveId, path, events, signal, maxEventChars, isTerminal } = stream;
  const { dispatcher, headers, watchdogMs, fleet } = deps;
  const address = fleet.get(hiveId).hive_url;
  let isLost = false;
  let isFirst = true;
  const stopListening = fleet.onArrival(hiveId, () => {
    if (isLost || fleet.get(hiveId).hive_url !== address) turn.abort();
  });
  try {
    await follow({
      url: address + path,
      events,
      dispatcher,
      // So that the log of the hive names the request that started the stream.
      headers: { ...headers, ...requestIdHeader() },
      signal: AbortSignal.any([signal, turn.signal]),
      isTerminal,
      ...(maxEventChars === undefined ? {} : { maxEventChars }),
      ...(watchdogMs === undefined ? {} : { watchdogMs }),
      ...(memory.last === null ? {} : { lastEventId: memory.last.id }),
      onConnection(change) {
        isLost = change.state === 'lost';
        stream.onConnection?.(change);
      },
      onEvent(event) {
        // A stream that starts with a snapshot repeats the last event of the turn before.
        const isRepeat = isFirst && isSame(event, memory.last);
        isFirst = false;
        memory.last = event;
        if (!isRepeat) stream.onEvent(event);
      },
    });
  } finally {
    stopListening();
  }
}

function isSame(event: FollowedEvent, last: FollowedEvent | null): boolean {
  return event.id !== '' && event.id === last?.id && event.event === last.event && event.data === last.data;
}

/** Whether this hive itself rejected the stream, and not another one that has its address now. */
async function isRejection(deps: FollowHiveDeps, { hiveId }: HiveStream, error: unknown): Promise<boolean> {
  if (!(error instanceof FollowError) || error.status !== 404) return true;
  return (await deps.identify(deps.fleet.get(hiveId).hive_url, IDENTIFY_TIMEOUT_MS)) === hiveId;
}

async function waitForArrival({ fleet, clock }: FollowHiveDeps, { hiveId, signal }: HiveStream): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stopListening = fleet.onArrival(hiveId, resolve);
  const cancelTimer = clock.setTimer(RETRY_MS, resolve);
  const leave = () => resolve();
  signal.addEventListener('abort', leave, { once: true });
  await promise;
  stopListening();
  cancelTimer();
  signal.removeEventListener('abort', leave);
  signal.throwIfAborted();
}

import { type Clock, hiveRoutes, pathOf, toRbeeError } from '@rbee/contract';
import { requestIdHeader } from '@rbee/daemon';
import { type ConnectionChange, FollowError, type FollowedEvent, follow } from '@rbee/event-stream';
import type { Dispatcher } from 'undici';
import { type HiveWordDeps, hasForgotten, isThere, type Subject } from './hive-word.ts';

/** Delay before the next try while another hive or none is at the address, unless the hive arrives earlier. */
const RETRY_MS = 5_000;
/** Why a try ended: its hive went offline. */
const LEFT = new Error('the hive went offline');

export interface FollowHiveDeps {
  readonly fleet: {
    /** @throws RbeeError HIVE_NOT_FOUND */
    get(hiveId: string): { readonly hive_id: string; readonly hive_url: string };
    onArrival(hiveId: string, listener: () => void): () => void;
    onLeave(hiveId: string, listener: () => void): () => void;
  };
  readonly client: HiveWordDeps['client'];
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  readonly headers: Readonly<Record<string, string>>;
  /** Tests that lose a hive make it shorter. */
  readonly watchdogMs?: number;
}

/** A stream of a hive. */
export interface HiveStream {
  readonly hiveId: string;
  readonly subject: Subject;
  /** The hive itself may reject it: nothing of worth is lost. A download is followed for as long as its hive has it. */
  readonly mayBeRejected?: boolean;
  readonly events: readonly string[];
  readonly signal: AbortSignal;
  readonly maxEventChars?: number;
  /** Called for an event that is too large. */
  readonly onDropped?: (reason: string) => void;
  readonly onEvent: (event: FollowedEvent) => void;
  readonly isTerminal: (event: FollowedEvent) => boolean;
  readonly onConnection?: (change: ConnectionChange) => void;
}

/** The hive has no such download or job any more, or the queen no such hive: the end is lost. */
export class ForgottenError extends Error {
  override readonly name = 'ForgottenError';
  readonly isHiveGone: boolean;

  constructor(message: string, { isHiveGone = false }: { isHiveGone?: boolean } = {}) {
    super(message);
    this.isHiveGone = isHiveGone;
  }
}

/**
 * Follows a stream of a hive to its last event, wherever the hive is: over restarts, at a new address when it has moved,
 * and immediately when its heartbeats are back.
 * @throws ForgottenError when the hive no longer has it; FollowError where the hive may reject the stream; `signal.reason`
 * on abort
 */
export async function followHive(deps: FollowHiveDeps, stream: HiveStream): Promise<void> {
  const memory: { last: FollowedEvent | null } = { last: null };
  for (;;) {
    const turn = new AbortController();
    assertKnown(deps, stream);
    try {
      if ((await followOnce(deps, stream, turn, memory)) === 'terminal') return;
      // 204: nothing more is to come, but the end has not come. Something that is not the hive, or an end that was unreadable:
      // the stream of a download can be asked for again from its snapshot.
      if ('download' in stream.subject) memory.last = null;
      stream.onConnection?.({ state: 'lost', reason: 'its address has an empty response', attempt: 1 });
    } catch (error) {
      stream.signal.throwIfAborted();
      if (turn.signal.aborted && turn.signal.reason !== LEFT) continue;
      if (!turn.signal.aborted) {
        await throwIfOver(deps, stream, error);
        stream.onConnection?.({ state: 'lost', reason: 'its address has another response', attempt: 1 });
      }
    }
    await waitForArrival(deps, stream);
  }
}

/** One try at one address; the turn's signal ends it when there is a reason for another. */
async function followOnce(
  deps: FollowHiveDeps,
  stream: HiveStream,
  turn: AbortController,
  memory: { last: FollowedEvent | null },
): Promise<'terminal' | 'no_content'> {
  const { hiveId, subject, events, signal, maxEventChars, onDropped, isTerminal } = stream;
  const { dispatcher, headers, watchdogMs, fleet } = deps;
  const address = fleet.get(hiveId).hive_url;
  let isLost = false;
  let isFirst = true;
  const stopListening = fleet.onArrival(hiveId, () => {
    if (isLost || fleet.get(hiveId).hive_url !== address) turn.abort();
  });
  // A half-open connection has no error of its own.
  const stopWatching = fleet.onLeave(hiveId, () => {
    stream.onConnection?.({ state: 'lost', reason: 'its heartbeats have stopped', attempt: 1 });
    turn.abort(LEFT);
  });
  try {
    const { reason } = await follow({
      url: address + pathTo(subject),
      events,
      dispatcher,
      // So that the log of the hive names the request that started the stream.
      headers: { ...headers, ...requestIdHeader() },
      signal: AbortSignal.any([signal, turn.signal]),
      isTerminal,
      ...(maxEventChars === undefined ? {} : { maxEventChars }),
      ...(onDropped === undefined ? {} : { onDropped }),
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
    return reason;
  } finally {
    stopListening();
    stopWatching();
  }
}

function isSame(event: FollowedEvent, last: FollowedEvent | null): boolean {
  return event.id !== '' && event.id === last?.id && event.event === last.event && event.data === last.data;
}

function pathTo(subject: Subject): string {
  return 'job' in subject
    ? pathOf(hiveRoutes.streamJob, { id: subject.job })
    : pathOf(hiveRoutes.streamDownload, { id: subject.download });
}

async function throwIfOver(deps: FollowHiveDeps, stream: HiveStream, error: unknown): Promise<void> {
  const { hiveId, subject, mayBeRejected = false } = stream;
  if (error instanceof FollowError && error.status === 404 && (await hasForgotten(deps, hiveId, subject)))
    throw new ForgottenError(`the hive ${hiveId} has forgotten it`);
  if (mayBeRejected && error instanceof FollowError && error.status !== 404 && (await isThere(deps, hiveId)))
    throw error;
}

function assertKnown({ fleet }: FollowHiveDeps, { hiveId }: HiveStream): void {
  try {
    fleet.get(hiveId);
  } catch (error) {
    if (toRbeeError(error).code !== 'HIVE_NOT_FOUND') throw error;
    throw new ForgottenError(`the hive ${hiveId} was removed`, { isHiveGone: true });
  }
}

async function waitForArrival(deps: FollowHiveDeps, stream: HiveStream): Promise<void> {
  assertKnown(deps, stream);
  const { fleet, clock } = deps;
  const { hiveId, signal } = stream;
  const { promise, resolve } = Promise.withResolvers<void>();
  const stopListening = fleet.onArrival(hiveId, resolve);
  // This also happens when the hive is removed.
  const stopWatching = fleet.onLeave(hiveId, resolve);
  const cancelTimer = clock.setTimer(RETRY_MS, resolve);
  const leave = () => resolve();
  signal.addEventListener('abort', leave, { once: true });
  await promise;
  stopListening();
  stopWatching();
  cancelTimer();
  signal.removeEventListener('abort', leave);
  signal.throwIfAborted();
}

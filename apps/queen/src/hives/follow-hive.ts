import { type Clock, hiveRoutes, pathOf } from '@rbee/contract';
import { requestIdHeader } from '@rbee/daemon';
import { type ConnectionChange, FollowError, type FollowedEvent, follow } from '@rbee/event-stream';
import type { Dispatcher } from 'undici';
import { type HiveWordDeps, hasForgotten, isThere, type Subject } from './hive-word.ts';

/** Delay before the next try while another hive or none is at the address, unless the hive arrives earlier. */
const RETRY_MS = 5_000;

export interface FollowHiveDeps {
  readonly fleet: {
    /** @throws RbeeError HIVE_NOT_FOUND */
    get(hiveId: string): { readonly hive_id: string; readonly hive_url: string };
    onArrival(hiveId: string, listener: () => void): () => void;
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
  readonly onEvent: (event: FollowedEvent) => void;
  readonly isTerminal: (event: FollowedEvent) => boolean;
  readonly onConnection?: (change: ConnectionChange) => void;
}

/** The hive has no such download or job any more: its end is lost. */
export class ForgottenError extends Error {
  override readonly name = 'ForgottenError';
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
    try {
      if ((await followOnce(deps, stream, turn, memory)) === 'terminal') return;
      // 204: something that is not the hive, since the stream has not ended.
      stream.onConnection?.({ state: 'lost', reason: 'its address has an empty response', attempt: 1 });
    } catch (error) {
      stream.signal.throwIfAborted();
      if (turn.signal.aborted) continue;
      await throwIfOver(deps, stream, error);
      stream.onConnection?.({ state: 'lost', reason: 'its address has another response', attempt: 1 });
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
  const { hiveId, subject, events, signal, maxEventChars, isTerminal } = stream;
  const { dispatcher, headers, watchdogMs, fleet } = deps;
  const address = fleet.get(hiveId).hive_url;
  let isLost = false;
  let isFirst = true;
  const stopListening = fleet.onArrival(hiveId, () => {
    if (isLost || fleet.get(hiveId).hive_url !== address) turn.abort();
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

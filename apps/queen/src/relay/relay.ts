import {
  type CancelReceipt,
  DOWNLOAD_EVENT_NAMES,
  type DownloadId,
  type DownloadStatus,
  isTerminalEvent,
  type NoticeCode,
  type Progress,
  RbeeError,
} from '@rbee/contract';
import type { Channel, FollowedEvent, KeyedStream, StreamHub } from '@rbee/event-stream';
import { createDropLog } from '../hives/drop-log.ts';
import { ForgottenError, type HiveStream } from '../hives/follow-hive.ts';
import { relayedEvent } from './relayed-event.ts';

/** Ended downloads whose last event is kept for late readers; the oldest go first. */
const HISTORY_LIMIT = 1_000;
/** Maximum number of downloads followed at a time, each over its own connection. */
const DEFAULT_MAX_FOLLOWED = 10_000;
/** How long a client should wait when the limit is reached. */
const FULL_RETRY_AFTER_MS = 10_000;

export interface RelayDeps {
  readonly queenId: string;
  readonly streamHub: StreamHub;
  /** Follows a stream of a hive to its end, wherever the hive is. */
  readonly follow: (stream: HiveStream) => Promise<void>;
  /** The downloads of all hives, by their ids. */
  readonly fleetStream: KeyedStream;
  /** Called when a download is first relayed. */
  readonly onOpen: (id: DownloadId, hiveId: string) => void;
  readonly onEnd: (id: DownloadId) => void;
  readonly log: { warn(fields: object, message: string): void };
  /** Maximum number of downloads followed at a time. */
  readonly maxFollowed?: number;
}

interface Upstream {
  readonly id: DownloadId;
  readonly hiveId: string;
  readonly channel: Channel;
  /** The newest progress of a download that has not ended. */
  newest: Progress | null;
  /** Its last event; null until there is one. */
  end: RelayedEnd | null;
}

/** How a download ended. */
export interface RelayedEnd {
  readonly status: DownloadStatus;
  readonly kept: Pick<CancelReceipt, 'partial' | 'bytes'>;
}

/**
 * Relays the events of downloads from their hives: one upstream per download, however many readers, in the same order and
 * with the same payload, except that `orchestrator_id` and `hive_id` are put before it. One that makes no sense is dropped.
 */
export class Relay {
  readonly #deps: RelayDeps;
  readonly #upstreams = new Map<DownloadId, Upstream>();
  /** Active downloads of each hive. */
  readonly #active = new Map<string, number>();
  readonly #maxFollowed: number;
  #followed = 0;
  readonly #controller = new AbortController();
  #eventsIn = 0;

  constructor(deps: RelayDeps) {
    this.#deps = deps;
    this.#maxFollowed = deps.maxFollowed ?? DEFAULT_MAX_FOLLOWED;
  }

  /** Whether no further download can be followed. */
  get isFull(): boolean {
    return this.#followed >= this.#maxFollowed;
  }

  /** @throws RbeeError RATE_LIMITED while no further download can be followed */
  assertCapacity(): void {
    if (!this.isFull) return;
    throw new RbeeError('RATE_LIMITED', `the queen already follows ${this.#followed} downloads, its maximum`, {
      hint: 'wait until some have ended, or cancel some: see "download list"',
      retryAfterMs: FULL_RETRY_AFTER_MS,
    });
  }

  /**
   * Subscribes to a download of a hive, once; returns the channel for its readers.
   * @throws RbeeError RATE_LIMITED, as `assertCapacity`
   */
  open(hiveId: string, id: DownloadId): Channel {
    const known = this.#upstreams.get(id);
    if (known) return known.channel;
    this.assertCapacity();
    const upstream: Upstream = {
      id,
      hiveId,
      channel: this.#deps.streamHub.channel({ mode: 'state' }),
      newest: null,
      end: null,
    };
    this.#upstreams.set(id, upstream);
    this.#active.set(hiveId, this.activeAt(hiveId) + 1);
    this.#followed += 1;
    this.#deps.onOpen(id, hiveId);
    this.#forgetOldest();
    void this.#follow(upstream);
    return upstream.channel;
  }

  /** The hive of a relayed download; undefined for any other. */
  hiveOf(id: DownloadId): string | undefined {
    return this.#upstreams.get(id)?.hiveId;
  }

  /** The newest progress of a relayed download that has not ended. */
  newestOf(id: DownloadId): Progress | null {
    return this.#upstreams.get(id)?.newest ?? null;
  }

  /** The newest progress of each active download of a hive. */
  runningAt(hiveId: string): Progress[] {
    if (this.activeAt(hiveId) === 0) return [];
    const upstreams = [...this.#upstreams.values()].filter((upstream) => upstream.hiveId === hiveId);
    return upstreams.flatMap(({ newest }) => newest ?? []);
  }

  /** How a relayed download ended; null when that is not known, or it has not. */
  endOf(id: DownloadId): RelayedEnd | null {
    return this.#upstreams.get(id)?.end ?? null;
  }

  /** Number of active downloads of a hive that are relayed. */
  activeAt(hiveId: string): number {
    return this.#active.get(hiveId) ?? 0;
  }

  /** Number of downloads followed at their hives now. */
  get upstreams(): number {
    return this.#followed;
  }

  /** Number of events received from hives since the start. */
  get eventsIn(): number {
    return this.#eventsIn;
  }

  /** Sends a notice to the readers of an active download. */
  notice(id: DownloadId, code: NoticeCode, message: string): void {
    const upstream = this.#upstreams.get(id);
    if (upstream && !upstream.channel.ended) this.#notice(upstream, code, message);
  }

  /** Ends all upstreams; the stream hub ends the streams of their readers. */
  close(): void {
    this.#controller.abort();
  }

  async #follow(upstream: Upstream): Promise<void> {
    const { hiveId, id, channel } = upstream;
    const drops = createDropLog(this.#deps.log, { hiveId, downloadId: id }, 'an event of a download was dropped');
    let lost = false;
    try {
      await this.#deps.follow({
        hiveId,
        subject: { download: id },
        events: DOWNLOAD_EVENT_NAMES,
        signal: this.#controller.signal,
        isTerminal: () => channel.ended,
        onDropped: (reason) => drops.dropped(reason),
        onEvent: (event) => {
          this.#eventsIn += 1;
          const problem = this.#forward(upstream, event);
          if (problem !== null) drops.dropped(problem);
        },
        onConnection: ({ state }) => {
          if (state === 'lost' && !lost) {
            lost = true;
            this.#notice(upstream, 'HIVE_LOST', `the hive ${hiveId} cannot be reached; waiting for it`);
          } else if (state === 'open' && lost) {
            lost = false;
            this.#notice(upstream, 'HIVE_BACK', `the hive ${hiveId} is back`);
          }
        },
      });
    } catch (error) {
      // Anything else is the abort of a stopping queen.
      if (error instanceof ForgottenError && !channel.ended) this.#end(upstream, error);
    }
  }

  /** Relays an event to all readers; returns why not where it cannot be relayed, which ends nothing. */
  #forward(upstream: Upstream, received: Pick<FollowedEvent, 'event' | 'data'>): string | null {
    const { id, hiveId, channel } = upstream;
    const relayed = relayedEvent(received, { id, hiveId, queenId: this.#deps.queenId });
    if (relayed.event === null) return relayed.problem;
    const kind = relayed.event === 'progress' ? 'state' : isTerminalEvent(relayed.event) ? 'terminal' : 'keep';
    if (relayed.event === 'progress') upstream.newest = relayed.progress;
    if (kind === 'terminal') upstream.newest = null;
    channel.publish(relayed, kind);
    this.#deps.fleetStream.publish(id, relayed, kind);
    if (kind !== 'terminal') return null;
    upstream.end = endOf(relayed.event, relayed.data);
    const left = this.activeAt(hiveId) - 1;
    if (left > 0) this.#active.set(hiveId, left);
    else this.#active.delete(hiveId);
    this.#followed -= 1;
    this.#deps.onEnd(id);
    return null;
  }

  #notice(upstream: Upstream, code: NoticeCode, message: string): void {
    this.#forward(upstream, { event: 'notice', data: JSON.stringify({ download_id: upstream.id, code, message }) });
  }

  /** Only a hive ends a download. When it no longer knows the download the end is lost, and readers must still get one. */
  #end(upstream: Upstream, { isHiveGone }: ForgottenError): void {
    const { code, message, hint, retryable } = new RbeeError(
      'DOWNLOAD_NOT_FOUND',
      `the hive ${upstream.hiveId} ${isHiveGone ? 'was removed' : 'no longer knows this download'}`,
      { hint: 'download the model again: what is on disk is reused' },
    );
    const data = { download_id: upstream.id, error: message, code, hint, bytes: 0, total: null, retryable };
    this.#forward(upstream, { event: 'error', data: JSON.stringify(data) });
  }

  #forgetOldest(): void {
    let ended = [...this.#upstreams.values()].filter(({ channel }) => channel.ended).length;
    for (const [id, { channel }] of this.#upstreams) {
      if (ended <= HISTORY_LIMIT) return;
      if (!channel.ended) continue;
      this.#upstreams.delete(id);
      ended -= 1;
    }
  }
}

function endOf(event: string, data: string): RelayedEnd {
  const status = event === 'complete' ? 'complete' : event === 'cancelled' ? 'cancelled' : 'failed';
  const { partial = null, bytes = 0 } = JSON.parse(data) as Partial<RelayedEnd['kept']>;
  return { status, kept: { partial, bytes } };
}

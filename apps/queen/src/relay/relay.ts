import { DOWNLOAD_EVENT_NAMES, type DownloadId, isTerminalEvent, type NoticeCode, RbeeError } from '@rbee/contract';
import { type Channel, type KeyedStream, type StreamHub, spliceFields } from '@rbee/event-stream';
import { ForgottenError, type HiveStream } from '../hives/follow-hive.ts';

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
  /** Maximum number of downloads followed at a time. */
  readonly maxFollowed?: number;
}

interface Upstream {
  readonly id: DownloadId;
  readonly hiveId: string;
  readonly channel: Channel;
}

/**
 * Relays the events of downloads from their hives: one upstream per download, however many readers, in the same order and
 * with the same payload, except that `orchestrator_id` and `hive_id` are put before it.
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
    const upstream: Upstream = { id, hiveId, channel: this.#deps.streamHub.channel({ mode: 'state' }) };
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
    let lost = false;
    try {
      await this.#deps.follow({
        hiveId,
        subject: { download: id },
        events: DOWNLOAD_EVENT_NAMES,
        signal: this.#controller.signal,
        isTerminal: ({ event }) => isTerminalEvent(event),
        onEvent: ({ event, data }) => {
          this.#eventsIn += 1;
          this.#forward(upstream, event, data);
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
      if (error instanceof ForgottenError && !channel.ended) this.#end(upstream);
    }
  }

  #forward({ id, hiveId, channel }: Upstream, event: string, data: string): void {
    const kind = event === 'progress' ? 'state' : isTerminalEvent(event) ? 'terminal' : 'keep';
    // A progress event has its own hive_id; clients would disagree on how to read a duplicate key.
    const added =
      event === 'progress' ? this.#queenField() : `${this.#queenField()},"hive_id":${JSON.stringify(hiveId)}`;
    const relayed = { event, data: spliceFields(data, added) };
    channel.publish(relayed, kind);
    this.#deps.fleetStream.publish(id, relayed, kind);
    if (kind !== 'terminal') return;
    const left = this.activeAt(hiveId) - 1;
    if (left > 0) this.#active.set(hiveId, left);
    else this.#active.delete(hiveId);
    this.#followed -= 1;
    this.#deps.onEnd(id);
  }

  #notice(upstream: Upstream, code: NoticeCode, message: string): void {
    this.#forward(upstream, 'notice', JSON.stringify({ download_id: upstream.id, code, message }));
  }

  /** Only a hive ends a download. When it no longer knows the download the end is lost, and readers must still get one. */
  #end(upstream: Upstream): void {
    const { code, message, hint, retryable } = new RbeeError(
      'DOWNLOAD_NOT_FOUND',
      `the hive ${upstream.hiveId} no longer knows this download`,
      { hint: 'download the model again: what is on disk is reused' },
    );
    const data = { download_id: upstream.id, error: message, code, hint, bytes: 0, total: null, retryable };
    this.#forward(upstream, 'error', JSON.stringify(data));
  }

  #queenField(): string {
    return `"orchestrator_id":${JSON.stringify(this.#deps.queenId)}`;
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

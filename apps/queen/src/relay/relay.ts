import {
  DOWNLOAD_EVENT_NAMES,
  type DownloadId,
  hiveRoutes,
  isTerminalEvent,
  type NoticeCode,
  pathOf,
  RbeeError,
} from '@rbee/contract';
import { type Channel, FollowError, type KeyedStream, type StreamHub, spliceFields } from '@rbee/event-stream';
import type { HiveStream } from '../hives/follow-hive.ts';

/** Ended downloads whose last event is kept for late readers; the oldest go first. */
const HISTORY_LIMIT = 1_000;
/** Downloads that are followed at a time, each over a connection of its own. */
const DEFAULT_MAX_FOLLOWED = 10_000;
/** What a client waits that finds no room for another. */
const FULL_RETRY_AFTER_MS = 10_000;

export interface RelayDeps {
  readonly queenId: string;
  readonly streamHub: StreamHub;
  /** Follows a stream of a hive to its end, wherever the hive is. */
  readonly follow: (stream: HiveStream) => Promise<void>;
  /** The downloads of all hives, by their ids. */
  readonly fleetStream: KeyedStream;
  /** Where a download is; told when it is first relayed. */
  readonly onOpen: (id: DownloadId, hiveId: string) => void;
  readonly onEnd: (id: DownloadId) => void;
  /** Downloads that are followed at a time. */
  readonly maxFollowed?: number;
}

interface Upstream {
  readonly id: DownloadId;
  readonly hiveId: string;
  readonly channel: Channel;
}

/**
 * Passes on what hives say of their downloads: one upstream per download, however many readers, in the same order and
 * with the payload untouched, but for `orchestrator_id` and `hive_id` put before it.
 */
export class Relay {
  readonly #deps: RelayDeps;
  readonly #upstreams = new Map<DownloadId, Upstream>();
  /** How many of each hive have not ended. */
  readonly #active = new Map<string, number>();
  readonly #maxFollowed: number;
  #followed = 0;
  readonly #controller = new AbortController();
  #eventsIn = 0;

  constructor(deps: RelayDeps) {
    this.#deps = deps;
    this.#maxFollowed = deps.maxFollowed ?? DEFAULT_MAX_FOLLOWED;
  }

  /** Whether no other download can be followed. */
  get isFull(): boolean {
    return this.#followed >= this.#maxFollowed;
  }

  /** @throws RbeeError RATE_LIMITED while no other download can be followed */
  assertCapacity(): void {
    if (!this.isFull) return;
    throw new RbeeError('RATE_LIMITED', `the queen follows ${this.#followed} downloads, and can follow no more`, {
      hint: 'wait until some have ended, or cancel them: "download list" shows them',
      retryAfterMs: FULL_RETRY_AFTER_MS,
    });
  }

  /**
   * Subscribes to a download of a hive, once; the answer is the channel for its readers.
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

  /** The hive of a download that is relayed; undefined for any other. */
  hiveOf(id: DownloadId): string | undefined {
    return this.#upstreams.get(id)?.hiveId;
  }

  /** How many downloads of a hive are relayed and have not ended. */
  activeAt(hiveId: string): number {
    return this.#active.get(hiveId) ?? 0;
  }

  /** Downloads that are followed at their hives now. */
  get upstreams(): number {
    return this.#followed;
  }

  /** Events that came from hives since the start. */
  get eventsIn(): number {
    return this.#eventsIn;
  }

  /** Says something to the readers of a download that has not ended. */
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
        path: pathOf(hiveRoutes.streamDownload, { id }),
        events: DOWNLOAD_EVENT_NAMES,
        signal: this.#controller.signal,
        isTerminal: ({ event }) => isTerminalEvent(event),
        onEvent: ({ event, data }) => {
          this.#eventsIn += 1;
          this.#pass(upstream, event, data);
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
      if (this.#controller.signal.aborted || channel.ended) return;
      this.#end(upstream, error);
    }
  }

  #pass({ id, hiveId, channel }: Upstream, event: string, data: string): void {
    const kind = event === 'progress' ? 'state' : isTerminalEvent(event) ? 'terminal' : 'keep';
    // A progress names its hive itself; a name twice in one object would be read by each client in its own way.
    const added = event === 'progress' ? this.#own() : `${this.#own()},"hive_id":${JSON.stringify(hiveId)}`;
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
    this.#pass(upstream, 'notice', JSON.stringify({ download_id: upstream.id, code, message }));
  }

  /** Only a hive ends a download. One that no longer knows it has done so without a word, and the reader must hear it. */
  #end(upstream: Upstream, error: unknown): void {
    const gone = error instanceof FollowError && error.status === 404;
    const why = gone ? 'no longer knows this download' : 'refuses the stream of this download';
    const { code, message, hint, retryable } = new RbeeError(
      gone ? 'DOWNLOAD_NOT_FOUND' : 'HIVE_UNAVAILABLE',
      `the hive ${upstream.hiveId} ${why}`,
      { hint: 'ask for the model again: what is on disk is used' },
    );
    const data = { download_id: upstream.id, error: message, code, hint, bytes: 0, total: null, retryable };
    this.#pass(upstream, 'error', JSON.stringify(data));
  }

  #own(): string {
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

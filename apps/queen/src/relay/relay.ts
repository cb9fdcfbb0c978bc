import {
  DOWNLOAD_EVENT_NAMES,
  type DownloadId,
  hiveRoutes,
  isTerminalEvent,
  type NoticeCode,
  pathOf,
  RbeeError,
} from '@rbee/contract';
import { type Channel, FollowError, follow, type StreamHub, spliceFields } from '@rbee/event-stream';
import type { Dispatcher } from 'undici';
import type { HiveAddress } from '../hives/client.ts';

/** Ended downloads whose last event is kept for late readers; the oldest go first. */
const HISTORY_LIMIT = 1_000;

export interface RelayDeps {
  readonly queenId: string;
  readonly hub: StreamHub;
  readonly dispatcher: Dispatcher;
  readonly headers: Readonly<Record<string, string>>;
  /** Shorter in tests that lose a hive. */
  readonly watchdogMs?: number;
}

interface Upstream {
  readonly hive: HiveAddress;
  readonly channel: Channel;
}

/**
 * Passes on what hives say of their downloads: one upstream per download, however many readers, in the same order and
 * with the payload untouched, but for `orchestrator_id` and `hive_id` put before it.
 */
export class Relay {
  readonly #deps: RelayDeps;
  readonly #upstreams = new Map<DownloadId, Upstream>();
  readonly #controller = new AbortController();

  constructor(deps: RelayDeps) {
    this.#deps = deps;
  }

  /** Subscribes to a download of a hive, once; the answer is the channel for its readers. */
  open(hive: HiveAddress, id: DownloadId): Channel {
    const known = this.#upstreams.get(id);
    if (known) return known.channel;
    const upstream: Upstream = { hive, channel: this.#deps.hub.channel({ mode: 'state' }) };
    this.#upstreams.set(id, upstream);
    this.#forgetOldest();
    void this.#follow(upstream, id);
    return upstream.channel;
  }

  /** The hive of a download that is relayed; undefined for any other. */
  hiveOf(id: DownloadId): HiveAddress | undefined {
    return this.#upstreams.get(id)?.hive;
  }

  /** Ends all upstreams; the readers' streams are the hub's to end. */
  close(): void {
    this.#controller.abort();
  }

  async #follow(upstream: Upstream, id: DownloadId): Promise<void> {
    const { hive, channel } = upstream;
    const { dispatcher, headers, watchdogMs } = this.#deps;
    let lost = false;
    try {
      await follow({
        url: `${hive.hive_url}${pathOf(hiveRoutes.streamDownload, { id })}`,
        events: DOWNLOAD_EVENT_NAMES,
        dispatcher,
        headers,
        signal: this.#controller.signal,
        ...(watchdogMs === undefined ? {} : { watchdogMs }),
        isTerminal: ({ event }) => isTerminalEvent(event),
        onEvent: ({ event, data }) => this.#pass(upstream, event, data),
        onConnection: (change) => {
          if (change.state === 'lost' && !lost) {
            lost = true;
            this.#notice(upstream, id, 'HIVE_LOST', `the hive ${hive.hive_id} cannot be reached; waiting for it`);
          } else if (change.state === 'open' && lost) {
            lost = false;
            this.#notice(upstream, id, 'HIVE_BACK', `the hive ${hive.hive_id} is back`);
          }
        },
      });
    } catch (error) {
      if (this.#controller.signal.aborted || channel.ended) return;
      this.#end(upstream, id, error);
    }
  }

  #pass({ hive, channel }: Upstream, event: string, data: string): void {
    const kind = event === 'progress' ? 'state' : isTerminalEvent(event) ? 'terminal' : 'keep';
    // A progress names its hive itself; a name twice in one object would be read by each client in its own way.
    const added = event === 'progress' ? this.#own() : `${this.#own()},"hive_id":${JSON.stringify(hive.hive_id)}`;
    channel.publish({ event, data: spliceFields(data, added) }, kind);
  }

  #notice(upstream: Upstream, id: DownloadId, code: NoticeCode, message: string): void {
    this.#pass(upstream, 'notice', JSON.stringify({ download_id: id, code, message }));
  }

  /** Only a hive ends a download. One that no longer knows it has done so without a word, and the reader must hear it. */
  #end(upstream: Upstream, id: DownloadId, error: unknown): void {
    const gone = error instanceof FollowError && error.status === 404;
    const why = gone ? 'no longer knows this download' : 'refuses the stream of this download';
    const { code, message, hint, retryable } = new RbeeError(
      gone ? 'DOWNLOAD_NOT_FOUND' : 'HIVE_UNAVAILABLE',
      `the hive ${upstream.hive.hive_id} ${why}`,
      { hint: 'ask for the model again: what is on disk is used' },
    );
    const data = { download_id: id, error: message, code, hint, bytes: 0, total: null, retryable };
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

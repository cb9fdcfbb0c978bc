import { RbeeError } from '@rbee/contract/plain';
import type { Address } from '../address.ts';
import { isRefusalOfRange } from '../http/range-refusal.ts';
import type { RangeOptions } from '../http/range-sink.ts';
import type { RangeHead } from '../http/response-head.ts';
import { WatchedLimiter } from '../limiter.ts';
import type { PartialFile } from '../partial/partial-file.ts';
import type { Location, TransferOptions } from '../types.ts';
import type { Connection } from './connection.ts';
import { ConnectionGrowth } from './connection-growth.ts';
import { ConnectionSet } from './connection-set.ts';
import type { DownloadFile, DownloadHost } from './download-host.ts';
import { fetchPart } from './fetch-part.ts';
import { endsAll, limitAfter, noticeOfLoss, RangeIgnoredError } from './lost-connection.ts';
import { Parts } from './parts.ts';
import type { Part } from './range-plan.ts';
import { SlowConnections } from './slow-connections.ts';

/** No further connection is tried if less than this is unclaimed. */
const minGrowthBytes = 16 * 2 ** 20;
const tickMs = 10;

/** One attempt to fetch the missing bytes of a file, over as many connections as are worth it. Run once. */
export class RangeDownload {
  readonly #file: DownloadFile;
  readonly #address: Address;
  readonly #host: DownloadHost;
  readonly #options: TransferOptions;
  readonly #partial: PartialFile;
  readonly #isLong: boolean;
  readonly #growth: ConnectionGrowth;
  readonly #parts: Parts;
  readonly #connections: ConnectionSet;
  readonly #slow: SlowConnections;
  readonly #limiter: WatchedLimiter | undefined;
  readonly #stop = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  readonly #now = () => performance.now();
  #received = 0;
  #failure: { readonly error: unknown; readonly used: Location | null } | null = null;

  constructor(
    file: DownloadFile,
    address: Address,
    host: DownloadHost,
    options: TransferOptions,
    partial: PartialFile,
  ) {
    this.#file = file;
    this.#address = address;
    this.#host = host;
    this.#options = options;
    this.#partial = partial;
    const { connections: budget, limiter } = options;
    this.#slow = new SlowConnections(this.#now);
    this.#isLong = (partial.size ?? 0) >= minGrowthBytes;
    this.#growth = new ConnectionGrowth(file.limits.maxConnections, this.#isLong ? budget?.usual : 1);
    this.#parts = new Parts(file, partial, this.#growth);
    this.#connections = new ConnectionSet(budget, (connections) => host.onConnections(connections));
    this.#limiter = limiter && new WatchedLimiter(limiter);
  }

  /** The address used by the connection whose error `run` rejected with; null if there was none. */
  get failedAt(): Location | null {
    return this.#failure?.used ?? null;
  }

  /** Resolves when nothing is missing; rejects with the error of the last remaining connection, or with an error that ends all of them. */
  async run(): Promise<void> {
    const { connections: budget, signal } = this.#options;
    await this.#connections.open(signal);
    const timer = setInterval(() => this.#tick(), tickMs);
    try {
      this.#launch();
      await this.#ended.promise;
    } finally {
      clearInterval(timer);
      this.#connections.close();
    }
    if (this.#failure !== null) throw this.#failure.error;
    if (budget !== undefined && this.#isLong) budget.usual = this.#growth.proven;
  }

  /** False if no further connection is available. */
  #launch(): boolean {
    const connection = this.#connections.add(this.#now);
    if (connection === null) return false;
    this.#serve(connection)
      .catch((error: unknown) => this.#fail(error, null))
      .finally(() => {
        this.#connections.retire(connection);
        if (this.#connections.size === 0) this.#settle();
      });
    return true;
  }

  /** All connections are gone: the last one may have been dropped for being slow. */
  #settle(): void {
    if (this.#failure === null && !this.#parts.isDone) this.#launch();
    else this.#ended.resolve();
  }

  #fail(error: unknown, used: Location | null): void {
    this.#failure ??= { error, used };
    this.#stop.abort(error);
  }

  /** Fetches one part after another, until nothing is left for this connection. */
  async #serve(connection: Connection): Promise<void> {
    while (this.#connections.all.has(connection) && !this.#isDismissed(connection)) {
      const next = this.#parts.next(this.#connections.all);
      if (next === null) break;
      await this.#fetch(connection, next.part, next.requestEnd);
    }
    this.#connections.retire(connection);
  }

  #isDismissed(connection: Connection): boolean {
    if (this.#failure !== null || connection.isDropped) return true;
    return this.#connections.isExcess(connection, this.#growth.wanted);
  }

  async #fetch(connection: Connection, requested: Part, requestEnd: number): Promise<void> {
    let part = requested;
    connection.request(part);
    let located: Location;
    try {
      located = await this.#locate();
    } catch (error) {
      this.#parts.release(part, part.position);
      return this.#lose(connection, error, null);
    }
    const { written, head, error } = await fetchPart({
      request: this.#parts.requestFor(located, part, requestEnd, this.#connections.size === 1),
      options: this.#rangeOptions(connection),
      partial: this.#partial,
      begin: async (accepted) => {
        part = await this.#begin(located, part, accepted);
        connection.part = part;
        return part;
      },
      extend: (growing) => this.#parts.extend(growing),
      onBytes: (bytes) => {
        this.#received += bytes;
        connection.bytes += bytes;
      },
      onWritten: () => this.#host.onWritten(),
    });
    const end = written ?? part.position;
    if (head !== null && head.end === null) this.#parts.endAt(end);
    this.#parts.release(part, end);
    if (isRefusalOfRange(error)) this.#file.limits.refusals += 1;
    if (error !== null) this.#lose(connection, error, located);
    else if (head?.start === head?.end || connection.bytes > 0 || this.#parts.isDone) this.#slow.learn(connection);
    else this.#lose(connection, emptyBody(this.#file.name), located);
  }

  async #locate(): Promise<Location> {
    const location = await this.#address.current(this.#options.signal);
    if (this.#connections.size > 1 && !this.#host.isTrusted(location)) {
      throw new RbeeError('DOWNLOAD_FAILED', `the new address of ${this.#file.name} may lead to another version`);
    }
    return location;
  }

  #rangeOptions(connection: Connection): RangeOptions {
    const { dispatcher, headersTimeoutMs, stallTimeoutMs, pool } = this.#options;
    const signal = AbortSignal.any([this.#options.signal, this.#stop.signal, connection.signal]);
    const onStall = () => this.#notifyStall('no data received for too long');
    const limit = this.#limiter === undefined ? {} : { limiter: this.#limiter };
    const release = pool === undefined ? {} : { release: pool.release };
    return { dispatcher, signal, headersTimeoutMs, stallTimeoutMs, onStall, ...limit, ...release };
  }

  async #begin(location: Location, part: Part, head: RangeHead): Promise<Part> {
    const isWhole = head.start < part.position;
    if (isWhole) {
      // Others may still be served in parts: their bytes are not given up for one connection that is not.
      if (this.#connections.size > 1) throw new RangeIgnoredError(this.#file.name);
      this.#limit(1);
    }
    this.#address.accept();
    if (isWhole || !this.#parts.hasBegun) await this.#host.begin(location, part.position, head);
    return this.#parts.begin(part, head);
  }

  #limit(max: number): void {
    this.#growth.limit(max);
    this.#file.limits.maxConnections = Math.min(this.#file.limits.maxConnections, Math.max(1, max));
  }

  /** A connection has failed. If others continue, they fetch its rest, and the attempt has not failed. */
  #lose(connection: Connection, error: unknown, used: Location | null): void {
    const isOver = this.#options.signal.aborted || this.#failure !== null;
    const isLast = this.#connections.size === 1;
    if (isOver || (!connection.isDropped && (isLast || endsAll(error)))) {
      this.#fail(error, used);
      return;
    }
    this.#connections.retire(connection);
    if (connection.isDropped || this.#address.renewAfter(error, used)) return;
    const left = this.#connections.size;
    const limit = limitAfter(error, connection, left);
    if (limit !== null) this.#limit(limit);
    this.#options.onNotice(noticeOfLoss(error, left));
  }

  #tick(): void {
    if (this.#failure !== null || this.#connections.size === 0) return;
    const dropped = this.#slow.drop(this.#connections.all, this.#isHeldBack);
    if (dropped !== null) this.#notifyStall('dropped a connection that was far slower than the others');
    if (this.#parts.mayBeShared) this.#grow();
  }

  #grow(): void {
    this.#measure();
    while (this.#connections.size < this.#growth.wanted && this.#parts.hasMore(this.#connections.all)) {
      if (!this.#launch()) return;
    }
  }

  #measure(): void {
    const { all, size } = this.#connections;
    // While the bandwidth limit holds them back, more connections bring nothing but their first burst.
    const isSettled = !this.#isHeldBack && [...all].every(({ bytes }) => bytes > 0);
    const { active: busyMs } = performance.eventLoopUtilization();
    const mayTry = this.#parts.unclaimedBytes >= minGrowthBytes;
    this.#growth.observe({ nowMs: this.#now(), bytes: this.#received, busyMs, connections: size, isSettled, mayTry });
  }

  get #isHeldBack(): boolean {
    return this.#limiter?.isHolding === true;
  }

  #notifyStall(what: string): void {
    this.#options.onNotice({ code: 'STALL', message: `${this.#file.name}: ${what}` });
  }
}

/** A round that brings nothing is a failed one, whatever the reason: without an error the next one would follow immediately, forever. */
function emptyBody(name: string): RbeeError {
  return new RbeeError('DOWNLOAD_FAILED', `the server sent no byte of ${name}`);
}

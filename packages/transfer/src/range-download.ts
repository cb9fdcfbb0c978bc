import { RbeeError } from '@rbee/contract';
import { Connection } from './connection.ts';
import { fetchPart } from './fetch-part.ts';
import type { Location, TransferNotice, TransferOptions } from './file-request.ts';
import { Growth } from './growth.ts';
import type { Limiter } from './limiter.ts';
import type { PartialFile } from './partial-file.ts';
import { type Part, RangePlan } from './plan-ranges.ts';
import type { RangeOptions } from './range-sink.ts';
import { type RangeHead, strongValidator } from './response-head.ts';
import { dropSlowest, fastest, longestRest } from './slow-connections.ts';

const MiB = 2 ** 20;
const maxPartBytes = 16 * MiB;
const minPartBytes = 2 * MiB;
/** With less than this left to hand out no further connection is tried. */
const minGrowthBytes = 16 * MiB;
const tickMs = 25;

/** What a download needs from the transfer that it is an attempt of. */
export interface DownloadHost {
  readonly name: string;
  /** Whether a digest is checked at the end. */
  readonly isVerified: boolean;
  /** Connections at most; a server that refuses more lowers it for good. */
  readonly limits: { maxConnections: number };
  locate(): Promise<Location>;
  /** Whether bytes from there may stand beside those that are there. */
  isTrusted(location: Location): boolean;
  /** An answer is accepted. */
  accept(): void;
  /** The first one. Throws away what is there where the file came from its front instead. */
  begin(location: Location, asked: number, head: RangeHead): Promise<void>;
  /** A connection was refused; whether a new address is worth a try. */
  renewAfter(error: unknown, used: Location | null): boolean;
  onWritten(): void;
  onConnections(connections: number): void;
  tell(notice: TransferNotice): void;
}

/** One attempt to fetch what is missing of a file, over as many connections as are worth it. Run once. */
export class RangeDownload {
  readonly #host: DownloadHost;
  readonly #options: TransferOptions;
  readonly #partial: PartialFile;
  readonly #growth: Growth;
  readonly #isLong: boolean;
  readonly #connections = new Set<Connection>();
  readonly #stop = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  readonly #now = () => performance.now();
  #plan: RangePlan;
  readonly #limiter: RangeOptions['limiter'];
  /** Reads that wait until the limit lets more bytes come. */
  #limited = 0;
  /** Connections that still write or ask, also those that are no longer counted. */
  #open = 0;
  #received = 0;
  #drops = 0;
  #hasBegun = false;
  /** An answer has begun where it was asked to begin, so that the server does serve parts. */
  #servesParts = false;
  /** Of a part that was fetched to its end. */
  #usualSpeed: number | null = null;
  #failure: { readonly error: unknown } | null = null;
  #failedAt: Location | null = null;

  constructor(host: DownloadHost, options: TransferOptions, partial: PartialFile) {
    this.#host = host;
    this.#options = options;
    this.#partial = partial;
    this.#plan = new RangePlan(partial.spans, partial.size);
    const { connections: budget, limiter } = options;
    this.#isLong = (partial.size ?? 0) >= minGrowthBytes;
    this.#growth = new Growth(host.limits.maxConnections, this.#isLong ? budget?.usual : 1);
    this.#limiter = limiter && this.#watched(limiter);
  }

  /** What the connection had asked whose error `run` has rejected with; null where none had. */
  get failedAt(): Location | null {
    return this.#failedAt;
  }

  /** Resolves when nothing is missing; rejects with the error of the last connection that was left, or with what ends all. */
  async run(): Promise<void> {
    const { connections: budget, signal } = this.#options;
    await budget?.take(signal);
    const timer = setInterval(() => this.#tick(), tickMs);
    try {
      this.#launch();
      await this.#ended.promise;
    } finally {
      clearInterval(timer);
      budget?.giveBack();
    }
    if (this.#failure !== null) throw this.#failure.error;
    if (budget !== undefined && this.#isLong) budget.usual = this.#growth.proven;
  }

  #launch(): void {
    const connection = new Connection(this.#now);
    this.#connections.add(connection);
    this.#open += 1;
    this.#host.onConnections(this.#connections.size);
    this.#serve(connection)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#retire(connection);
        this.#open -= 1;
        if (this.#open === 0) this.#settle();
      });
  }

  #settle(): void {
    if (this.#failure === null && !this.#plan.isDone) this.#launch();
    else this.#ended.resolve();
  }

  /** It takes no further part. At least the budget of one connection stays with the download until its end. */
  #retire(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    this.#host.onConnections(this.#connections.size);
    if (this.#connections.size > 0) this.#options.connections?.giveBack();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#stop.abort(error);
  }

  async #serve(connection: Connection): Promise<void> {
    while (this.#failure === null && !this.#isExcess(connection) && !connection.isDropped) {
      const openEnd = this.#plan.openEnd;
      const part = this.#next();
      if (part === null) return this.#retire(connection);
      const isOpen = openEnd !== null && this.#connections.size === 1;
      await this.#fetch(connection, part, isOpen ? openEnd : part.end);
      if (!this.#connections.has(connection)) return;
    }
    this.#retire(connection);
  }

  #isExcess(connection: Connection): boolean {
    const { size } = this.#connections;
    if (size === 1) return false;
    if (this.#options.connections?.isWanted === true) return true;
    return !fastest(this.#connections, this.#growth.wanted).includes(connection);
  }

  #next(): Part | null {
    const part = this.#plan.take(this.#partBytes);
    if (part !== null) return part;
    const { size } = this.#partial;
    // Nothing is missing, but nothing proves what is there either: the server is asked for what follows the end.
    if (!this.#hasBegun && this.#plan.isDone && size !== null) return { position: size, end: size };
    const slowest = longestRest(this.#connections);
    return slowest === null ? null : this.#plan.split(slowest);
  }

  /** So long that asking costs little, so short that the last ones end together. */
  get #partBytes(): number {
    if (this.#host.limits.maxConnections === 1) return Number.POSITIVE_INFINITY;
    const share = this.#plan.unclaimedBytes / (2 * this.#growth.wanted);
    return Math.max(minPartBytes, Math.min(maxPartBytes, Math.floor(share)));
  }

  async #fetch(connection: Connection, asked: Part, requestEnd: number): Promise<void> {
    let part = asked;
    connection.request(part);
    const { signal: own } = connection;
    const signal = AbortSignal.any([this.#options.signal, this.#stop.signal, own]);
    let located: Location;
    try {
      located = await this.#locate();
    } catch (error) {
      this.#plan.giveBack(part, part.position);
      return this.#lose(connection, error, null);
    }
    const { written, head, error } = await fetchPart({
      request: this.#requestFor(located, part, requestEnd),
      options: this.#rangeOptions(signal),
      partial: this.#partial,
      begin: async (answer) => {
        part = await this.#begin(located, part, answer);
        connection.part = part;
        return part;
      },
      extend: (growing) => this.#plan.extend(growing, this.#partBytes),
      onBytes: (bytes) => {
        this.#received += bytes;
        connection.bytes += bytes;
      },
      onWritten: () => this.#host.onWritten(),
    });
    // A body without a length has told its end by ending.
    if (head !== null && part.end === Number.POSITIVE_INFINITY) this.#endAt(written ?? asked.position);
    this.#plan.giveBack(part, written ?? part.position);
    if (error !== null) this.#lose(connection, error, located);
    else this.#usualSpeed = connection.speed ?? this.#usualSpeed;
  }

  async #locate(): Promise<Location> {
    const location = await this.#host.locate();
    if (this.#connections.size > 1 && !this.#host.isTrusted(location)) {
      throw new RbeeError('DOWNLOAD_FAILED', `the new address of ${this.#host.name} may be of another version`);
    }
    return location;
  }

  #requestFor(location: Location, { position: start }: Part, requestEnd: number) {
    const { size, source, bytes } = this.#partial;
    const isToEnd = requestEnd === Number.POSITIVE_INFINITY || requestEnd === size;
    return {
      url: location.url,
      headers: location.headers ?? {},
      start,
      end: isToEnd ? null : requestEnd,
      size,
      validator:
        bytes > 0 || this.#hasBegun ? (source?.validator ?? null) : strongValidator(location.validator ?? null),
      isVerified: this.#host.isVerified,
      name: this.#host.name,
    };
  }

  #rangeOptions(signal: AbortSignal) {
    const { dispatcher, headersTimeoutMs, stallTimeoutMs } = this.#options;
    const onStall = () => this.#host.tell({ code: 'STALL', message: `${this.#host.name}: no byte came for too long` });
    const limit = this.#limiter === undefined ? {} : { limiter: this.#limiter };
    return { dispatcher, signal, headersTimeoutMs, stallTimeoutMs, onStall, ...limit };
  }

  #watched(limiter: Limiter): RangeOptions['limiter'] {
    const passed = () => {
      this.#limited -= 1;
    };
    return {
      get isLimited() {
        return limiter.isLimited;
      },
      pass: (bytes, signal) => {
        const passing = limiter.pass(bytes, signal);
        if (passing === undefined) return undefined;
        this.#limited += 1;
        passing.then(passed, passed);
        return passing;
      },
    };
  }

  async #begin(location: Location, part: Part, head: RangeHead): Promise<Part> {
    const isWhole = head.start < part.position;
    if (isWhole) {
      // Others may still be served in parts, and what they have brought is not given up for one that is not.
      if (this.#connections.size > 1 || this.#open > 1) throw new RangeIgnoredError(this.#host.name);
      this.#limit(1);
    }
    if (!isWhole && head.start > 0) this.#servesParts = true;
    this.#host.accept();
    if (isWhole || !this.#hasBegun) {
      this.#hasBegun = true;
      await this.#host.begin(location, part.position, head);
    }
    if (isWhole) {
      this.#plan = new RangePlan([], head.total);
      return this.#plan.take(Number.POSITIVE_INFINITY) ?? { position: 0, end: 0 };
    }
    if (head.total !== null) this.#plan.endAt(head.total);
    return part;
  }

  #endAt(size: number): void {
    this.#plan.endAt(size);
    const { source } = this.#partial;
    if (source !== null) this.#partial.describe(source, size);
  }

  #limit(max: number): void {
    this.#growth.limit(max);
    this.#host.limits.maxConnections = Math.min(this.#host.limits.maxConnections, Math.max(1, max));
  }

  /** A connection has failed. Where others go on they fetch its rest, and the file has not failed. */
  #lose(connection: Connection, error: unknown, used: Location | null): void {
    const isLast = this.#connections.size === 1 && this.#connections.has(connection);
    const isOver = this.#options.signal.aborted || this.#failure !== null;
    if (isOver || (!connection.isDropped && (isLast || endsAll(error)))) {
      this.#failedAt ??= used;
      this.#fail(error);
      return;
    }
    this.#retire(connection);
    if (connection.isDropped || this.#host.renewAfter(error, used)) return;
    const left = this.#connections.size;
    if (error instanceof RangeIgnoredError || isBeyondEnd(error)) this.#limit(1);
    else if (connection.bytes === 0) this.#limit(left);
    const code = error instanceof RbeeError && error.details?.['status'] === 429 ? 'THROTTLE' : 'RETRY';
    const message = error instanceof Error ? error.message : String(error);
    const reason = error instanceof RbeeError ? { reason: error.code } : {};
    this.#host.tell({
      code,
      message: `${message}; goes on over ${left} connection${left === 1 ? '' : 's'}`,
      ...reason,
    });
  }

  #tick(): void {
    if (this.#failure !== null || this.#connections.size === 0) return;
    const dropped = dropSlowest(this.#connections, this.#usualSpeed, this.#drops);
    if (dropped !== null) {
      this.#drops += 1;
      this.#host.tell({
        code: 'STALL',
        message: `${this.#host.name}: a connection far slower than the others is given up`,
      });
    }
    if (!this.#mayGrow) return;
    if (this.#plan.unclaimedBytes >= minGrowthBytes) {
      // Where a limit holds it back, more connections bring nothing but what each gets before it waits.
      const isSettled = this.#limited === 0 && [...this.#connections].every(({ bytes }) => bytes > 0);
      const { size } = this.#connections;
      const { active: busyMs } = performance.eventLoopUtilization();
      this.#growth.observe({ nowMs: this.#now(), bytes: this.#received, busyMs, connections: size, isSettled });
    }
    while (this.#connections.size < this.#growth.wanted && this.#hasWork) {
      // One asks first, so that a server which sends all to everybody does so once.
      if (!this.#servesParts && this.#connections.size > 1) return;
      const { connections: budget } = this.#options;
      if (budget?.isWanted === true || budget?.tryTake() === false) return;
      this.#launch();
    }
  }

  /** Something is left for a further connection: what nobody fetches, or a tail that is long enough to be shared. */
  get #hasWork(): boolean {
    if (this.#plan.unclaimedBytes > 0) return true;
    const slowest = longestRest(this.#connections);
    return slowest !== null && this.#plan.canSplit(slowest);
  }

  /** Parts from different connections fit together only where something proves it. */
  get #mayGrow(): boolean {
    const { size, source } = this.#partial;
    return this.#hasBegun && size !== null && (this.#host.isVerified || (source?.validator ?? null) !== null);
  }
}

class RangeIgnoredError extends RbeeError {
  constructor(name: string) {
    super('DOWNLOAD_FAILED', `the server sent all of ${name} where a part was asked for`);
  }
}

/** What is wrong with the content or the disk is wrong for all connections; a bug is one for everybody. */
function endsAll(error: unknown): boolean {
  return !(error instanceof RbeeError) || (error.code === 'SOURCE_CHANGED' && !isBeyondEnd(error));
}

/** What one connection is told to lie behind the end while others fetch it says more of the server than of the file. */
function isBeyondEnd(error: unknown): boolean {
  return error instanceof RbeeError && error.details?.['status'] === 416;
}

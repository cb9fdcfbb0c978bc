import { errnoOf, formatBytes, RbeeError } from '@rbee/contract/plain';
import { Address } from './address.ts';
import type { DownloadFile, DownloadHost } from './attempt/download-host.ts';
import { RangeDownload } from './attempt/range-download.ts';
import { createDigester, type Digester, type Digests } from './digest/digest.ts';
import { errorOfDisk } from './disk/disk-error.ts';
import type { RangeHead } from './http/response-head.ts';
import { publicUrlOf } from './partial/journal.ts';
import { openPartial } from './partial/open-partial.ts';
import { LostNameError } from './partial/own-name.ts';
import type { PartialFile } from './partial/partial-file.ts';
import { TransferProgress } from './progress.ts';
import { type Attempt, type Retry, type RetryOptions, waitForShortages, withRetry } from './retry.ts';
import type { FileRequest, Location, TransferNotice, TransferOptions, TransferResult, TransferState } from './types.ts';

/** A partial that is deleted while it is written is replaced so often; then something deletes whatever is written. */
const maxLostPartials = 3;

/**
 * Brings one file to its final name: fetched or resumed, verified, synced, renamed.
 * A failure or an abort keeps the partial, unless its content was wrong.
 * @throws RbeeError with a code of the contract's table; the signal's reason when aborted
 */
export async function transferFile(request: FileRequest, options: TransferOptions): Promise<TransferResult> {
  const { signal, onNotice, onState } = options;
  signal.throwIfAborted();
  const wanted = {
    ...request,
    locate: (locateSignal: AbortSignal) => request.locate(locateSignal),
    sha256: lowerCase(request.sha256),
    gitSha1: lowerCase(request.gitSha1),
  };
  let newest: TransferState | null = null;
  let losses = 0;
  // Each round closes what it has opened, which is what a shortage of descriptors needs.
  return waitForShortages(
    async (attempt) => {
      const follow = (state: TransferState) => {
        if (newest !== null && state.bytes > newest.bytes) attempt.progressed();
        newest = state;
        onState(state);
      };
      // Terminates: only so many lost partials are replaced.
      for (;;) {
        const result = await transferOnce(wanted, { ...options, onState: follow }, newest);
        if (result !== null) return result;
        losses += 1;
        if (losses > maxLostPartials) throw errorOfLoss(request.partialPath);
        onNotice({
          code: 'RESTART',
          message: `${request.name} starts over: its partial was deleted while it was written`,
        });
      }
    },
    { ...retryOptionsOf(options), onRetry: (retry) => onNotice(noticeOf(retry)) },
  );
}

/**
 * One round, from an open partial to its end; null if the partial was deleted meanwhile.
 * @param before the state at which a previous round ended
 */
async function transferOnce(
  request: FileRequest,
  options: TransferOptions,
  before: TransferState | null,
): Promise<TransferResult | null> {
  const { signal } = options;
  const { partialPath, size } = request;
  let partial: PartialFile | null = null;
  try {
    partial = await openPartial(partialPath, request, options.pool?.release);
    const result = await new FileTransfer(request, options, partial, before).run();
    await partial.close();
    return result;
  } catch (error) {
    // Also whoever opens it by its name notices that it is gone.
    const mayBeLost = error instanceof LostNameError || errnoOf(error) === 'ENOENT';
    const isLost = mayBeLost && (await partial?.isLost()) === true;
    await partial?.stop(options.stopTimeoutMs);
    if (signal.aborted) throw signal.reason;
    if (isLost) return null;
    const neededBytes = size === null ? null : size - (partial?.bytes ?? 0);
    throw await errorOfDisk(error, partialPath, neededBytes);
  }
}

function errorOfLoss(partialPath: string): RbeeError {
  return new RbeeError('STORE_NOT_WRITABLE', `${partialPath} was deleted again and again while it was written`, {
    hint: 'stop the program that deletes files of the models folder, and retry',
  });
}

function retryOptionsOf({ signal, retry: rule, random, now }: TransferOptions): RetryOptions {
  return { signal, rule, ...(random === undefined ? {} : { random }), ...(now === undefined ? {} : { now }) };
}

function lowerCase(digest: string | null): string | null {
  return digest?.toLowerCase() ?? null;
}

/** Takes one file from a partial to its final name. Owns the digester; the partial belongs to the caller. */
class FileTransfer {
  readonly #request: FileRequest;
  readonly #options: TransferOptions;
  readonly #partial: PartialFile;
  readonly #address: Address;
  readonly #progress: TransferProgress;
  /** What the server has shown not to do. */
  readonly #limits: DownloadFile['limits'];
  #digester: Digester | null = null;
  /** The most bytes the file ever had. Only more than that is progress; otherwise a transfer that restarts every time would never end. */
  #highWater: number;

  constructor(request: FileRequest, options: TransferOptions, partial: PartialFile, before: TransferState | null) {
    this.#request = request;
    this.#options = options;
    this.#partial = partial;
    this.#address = new Address((signal) => request.locate(signal));
    this.#progress = new TransferProgress(partial.bytes, partial.size, options.onState, before);
    this.#highWater = partial.bytes;
    const { maxConnections = 1, connections } = options;
    this.#limits = {
      maxConnections: Math.max(1, Math.min(maxConnections, connections?.limit ?? maxConnections)),
      refusals: 0,
    };
  }

  async run(): Promise<TransferResult> {
    const { signal } = this.#options;
    const stopDigest = () => void this.#digester?.close();
    signal.addEventListener('abort', stopDigest, { once: true });
    try {
      this.#notifyOrigin();
      const { sha256 } = await withRetry((attempt) => this.#attempt(attempt), {
        ...retryOptionsOf(this.#options),
        onRetry: (retry) => this.#notify(noticeOf(retry)),
      });
      signal.throwIfAborted();
      await this.#partial.commit(this.#request.finalPath);
      const { bytes, reused, wasted } = this.#progress.state;
      return { bytes, sha256, reused, wasted };
    } finally {
      signal.removeEventListener('abort', stopDigest);
      await this.#closeDigester();
    }
  }

  async #attempt(attempt: Attempt): Promise<Digests> {
    this.#progress.update({ phase: 'starting', attempt: attempt.number });
    try {
      if (!this.#isComplete) await this.#download(attempt);
      return await this.#verify();
    } catch (error) {
      // The content is wrong: the partial is useless, and the address may be that of another version.
      if (needsRestart(error)) {
        await this.#discard();
        this.#address.forget();
      }
      throw error;
    }
  }

  /** Every byte is there and a digest can prove it: no request is needed. */
  get #isComplete(): boolean {
    return this.#isVerifiable && this.#partial.size === this.#partial.frontier;
  }

  get #isVerifiable(): boolean {
    return this.#request.sha256 !== null || this.#request.gitSha1 !== null;
  }

  async #download(attempt: Attempt): Promise<void> {
    const { signal } = this.#options;
    // Terminates: an address is renewed once, and again only after a server has accepted it.
    for (;;) {
      const location = await this.#address.current(signal);
      signal.throwIfAborted();
      await this.#distrustOtherSource(location);
      const download = this.#rangeDownload(attempt);
      try {
        await download.run();
        this.#progress.update({ total: this.#partial.size });
        return;
      } catch (error) {
        if (signal.aborted || !this.#address.renewAfter(error, download.failedAt)) throw error;
        const message = `the address of ${this.#request.name} was refused: requesting a new one`;
        this.#notify({ code: 'RETRY', message, ...(error instanceof RbeeError ? { reason: error.code } : {}) });
      }
    }
  }

  /** Equal ETags from two addresses prove nothing, so without a digest a partial is only resumed at the address it came from. */
  #isTrusted({ url }: Location): boolean {
    const { source, bytes } = this.#partial;
    if (bytes === 0 || this.#isVerifiable) return true;
    return source?.validator != null && source.url === publicUrlOf(url);
  }

  async #distrustOtherSource(location: Location): Promise<void> {
    if (this.#isTrusted(location)) return;
    this.#notifyRestart('nothing proves that the partial belongs to the same file');
    await this.#discard();
  }

  #rangeDownload(attempt: Attempt): RangeDownload {
    const file = { name: this.#request.name, isVerified: this.#isVerifiable, limits: this.#limits };
    const host: DownloadHost = {
      isTrusted: (location) => this.#isTrusted(location),
      begin: (location, requested, head) => this.#begin(location, requested, head),
      onWritten: () => this.#advance(attempt),
      onConnections: (connections) => this.#progress.update({ connections }),
    };
    return new RangeDownload(file, this.#address, host, this.#options, this.#partial);
  }

  async #begin(location: Location, requested: number, head: RangeHead): Promise<void> {
    const { name } = this.#request;
    const partial = this.#partial;
    if (head.start < requested) {
      this.#notifyRestart('the server sent the whole file instead of the rest');
      await this.#discard();
    } else if (partial.bytes > 0) {
      const of = head.total === null ? '' : ` of ${formatBytes(head.total)}`;
      this.#notify({ code: 'RESUME', message: `${name} resumes at ${formatBytes(partial.bytes)}${of}` });
    }
    partial.describe({ url: publicUrlOf(location.url), validator: head.validator }, head.total);
    this.#openDigester();
    this.#progress.update({ phase: 'downloading', total: head.total });
  }

  #advance(attempt: Attempt): void {
    const { bytes, frontier } = this.#partial;
    if (bytes > this.#highWater) {
      this.#highWater = bytes;
      attempt.progressed();
    }
    this.#digester?.advance(frontier);
    this.#progress.update({ bytes });
  }

  async #verify(): Promise<Digests> {
    this.#progress.update({ phase: 'verifying' });
    const digester = this.#openDigester();
    this.#options.signal.throwIfAborted();
    const [digests] = await Promise.all([digester.finish(this.#partial.frontier), this.#partial.sync()]);
    checkDigest(this.#request.name, this.#request.sha256, digests.sha256);
    checkDigest(this.#request.name, this.#request.gitSha1, digests.gitSha1);
    return digests;
  }

  async #discard(): Promise<void> {
    await this.#closeDigester();
    await this.#partial.restart();
    this.#progress.waste();
  }

  #openDigester(): Digester {
    const { frontier, path, size } = this.#partial;
    this.#digester ??= createDigester({ path, size, isGit: this.#request.gitSha1 !== null });
    // What a previous run left is hashed from its start while the rest arrives.
    this.#digester.advance(frontier);
    return this.#digester;
  }

  async #closeDigester(): Promise<void> {
    const digester = this.#digester;
    this.#digester = null;
    await digester?.close();
  }

  #notifyOrigin(): void {
    const { state } = this.#partial.origin;
    if (state === 'damaged') this.#notifyRestart('the journal of the partial is damaged');
    if (state === 'foreign') this.#notifyRestart('the partial belongs to another version');
    if (state === 'unproven') this.#notifyRestart('nothing proves that the partial belongs to the same file');
  }

  #notifyRestart(why: string): void {
    this.#notify({ code: 'RESTART', message: `${this.#request.name} starts over: ${why}` });
  }

  #notify(notice: TransferNotice): void {
    this.#options.onNotice(notice);
  }
}

function noticeOf({ error, attempt, maxAttempts, nextRetryAtMs }: Retry): TransferNotice {
  const code = needsRestart(error) ? 'RESTART' : isThrottle(error) ? 'THROTTLE' : 'RETRY';
  const message = `${error.message}; ${code === 'RESTART' ? 'starting over' : 'retrying'}`;
  const most = maxAttempts === null ? {} : { maxAttempts };
  return { code, message, reason: error.code, attempt, ...most, nextRetryAtMs };
}

function needsRestart(error: unknown): boolean {
  return error instanceof RbeeError && (error.code === 'SOURCE_CHANGED' || error.code === 'CHECKSUM_MISMATCH');
}

/** The server works, but limits our rate. */
function isThrottle(error: RbeeError): boolean {
  return error.code === 'SOURCE_UNAVAILABLE' && error.details?.['status'] === 429;
}

function checkDigest(name: string, expected: string | null, actual: string | null): void {
  if (expected === null || expected === actual) return;
  throw new RbeeError('CHECKSUM_MISMATCH', `the content of ${name} does not match its digest`, {
    hint: 'the source, or a proxy on the way, may serve damaged data',
    details: { expected, actual },
  });
}

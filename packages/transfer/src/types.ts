import type { ErrorCode } from '@rbee/contract/plain';
import type { Dispatcher } from 'undici';
import type { ConnectionBudget } from './connection-budget.ts';
import type { ReadPool } from './http/read-pool.ts';
import type { Limiter } from './limiter.ts';
import type { RetryRule } from './retry.ts';

/** Where a file's bytes are right now. */
export interface Location {
  readonly url: string;
  /** Sent to the URL's own origin only, never along a redirect to another. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Strong ETag as the final server sends it; null or left out if unknown. */
  readonly validator?: string | null;
}

/** A file to bring. Whatever is known about it has to match. */
export interface FileRequest {
  /**
   * Where the bytes are now. Called at the start, and again when the address has expired or the server refused it.
   * Its errors count as failed attempts of the transfer, so it should not retry on its own.
   */
  locate(signal: AbortSignal): Promise<Location>;
  /** Where the file grows, next to its journal (`x.rbee-partial` has `x.rbee-journal`). */
  readonly partialPath: string;
  /** Where the verified file goes, on the same file system. Its folder is created. */
  readonly finalPath: string;
  /** Bytes. */
  readonly size: number | null;
  /** 64 hex digits. */
  readonly sha256: string | null;
  /** git's object id of the content as a blob, 40 hex digits. */
  readonly gitSha1: string | null;
  /** For messages. */
  readonly name: string;
}

export interface TransferState {
  readonly phase: 'starting' | 'downloading' | 'verifying';
  /** On disk and usable. Falls only if `wasted` rises by as much. */
  readonly bytes: number;
  readonly total: number | null;
  /** The share of `bytes` that was there before this transfer began. */
  readonly reused: number;
  /** Written and discarded again. */
  readonly wasted: number;
  /** 1 at first; tries in a row without a new byte. */
  readonly attempt: number;
  /** Currently open. */
  readonly connections: number;
}

/** Something worth knowing that is not the end. */
export interface TransferNotice {
  readonly code: 'RETRY' | 'STALL' | 'RESUME' | 'RESTART' | 'THROTTLE';
  readonly message: string;
  /** The code of the error behind it. */
  readonly reason?: ErrorCode;
  /** The next attempt. */
  readonly attempt?: number;
  readonly maxAttempts?: number;
  /** Milliseconds since the epoch. */
  readonly nextRetryAtMs?: number;
}

export interface TransferOptions {
  /** Ends the transfer immediately; the partial is kept. */
  readonly signal: AbortSignal;
  /** Its agent should have `allowH2: false`, and enough connections for the files that are fetched in parallel. */
  readonly dispatcher: Dispatcher;
  /** An attempt ends if no headers arrive for this long. */
  readonly headersTimeoutMs: number;
  /** An attempt ends if no byte of a body arrives for this long. */
  readonly stallTimeoutMs: number;
  /** After an abort or an error, a slow disk has this long to save what was downloaded; default 5 s. */
  readonly stopTimeoutMs?: number;
  readonly retry: RetryRule;
  /** Limits the bytes of bodies; left out, there is no limit. */
  readonly limiter?: Pick<Limiter, 'isLimited' | 'pass'>;
  /** Maximum connections for this file, default 1. It starts with one and opens more only while that makes it faster. */
  readonly maxConnections?: number;
  /** The pool that the dispatcher's sockets read into; chunks are released to it once written. */
  readonly pool?: ReadPool;
  /** Shared with other transfers. */
  readonly connections?: ConnectionBudget;
  /** Called on every change, at most once per batch of writes. */
  readonly onState: (state: TransferState) => void;
  readonly onNotice: (notice: TransferNotice) => void;
  readonly random?: () => number;
  readonly now?: () => number;
}

export interface TransferResult {
  readonly bytes: number;
  readonly sha256: string;
  readonly reused: number;
  readonly wasted: number;
}

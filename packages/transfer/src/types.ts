import type { ErrorCode } from '@rbee/contract/plain';
import type { Dispatcher } from 'undici';
import type { ConnectionBudget } from './connection-budget.ts';
import type { ReadPool } from './http/read-pool.ts';
import type { Limiter } from './limiter.ts';
import type { RetryRule } from './retry.ts';

/** Where a file's bytes are at the moment. */
export interface Location {
  readonly url: string;
  /** Sent to the URL's own origin only, never along a redirect to another. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Strong ETag as the final server sends it; null or left out while it is not known. */
  readonly validator?: string | null;
}

/** One file that is wanted. What is known of it has to match. */
export interface FileRequest {
  /**
   * Where the bytes are now. Asked at first, and again when the address has expired or the server refused it.
   * Its errors count as failed attempts of the transfer, so it should not retry by itself.
   */
  locate(signal: AbortSignal): Promise<Location>;
  /** Where the file grows; its journal stands beside it (`x.incomplete` has `x.journal.incomplete`). */
  readonly partialPath: string;
  /** Where the verified file goes: on the same file system. Its folder is made. */
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
  /** On disk and counting. Falls only where `wasted` rises by as much. */
  readonly bytes: number;
  readonly total: number | null;
  /** Of `bytes`, what was there before this transfer began. */
  readonly reused: number;
  /** Written and thrown away again. */
  readonly wasted: number;
  /** 1 at first; tries in a row without a new byte. */
  readonly attempt: number;
  /** Open at the moment. */
  readonly connections: number;
}

/** Something that a watcher should know and that is not the end. */
export interface TransferNotice {
  readonly code: 'RETRY' | 'STALL' | 'RESUME' | 'RESTART' | 'THROTTLE';
  readonly message: string;
  /** The code of the error that it is about. */
  readonly reason?: ErrorCode;
  /** The attempt to come. */
  readonly attempt?: number;
  readonly maxAttempts?: number;
  /** Milliseconds since the epoch. */
  readonly nextRetryAtMs?: number;
}

export interface TransferOptions {
  /** Ends the transfer at once; what is on disk is kept. */
  readonly signal: AbortSignal;
  /** Its agent should have `allowH2: false`, and enough connections for the files that are fetched at once. */
  readonly dispatcher: Dispatcher;
  /** No headers for this long ends an attempt. */
  readonly headersTimeoutMs: number;
  /** No byte of a body for this long ends an attempt. */
  readonly stallTimeoutMs: number;
  readonly retry: RetryRule;
  /** Bytes of bodies pass it as they come; left out, nothing is limited. */
  readonly limiter?: Limiter;
  /** Connections at most for this file, default 1. It starts with one and takes more only while they make it faster. */
  readonly maxConnections?: number;
  /** Whose memory the dispatcher's sockets read into; chunks go back to it when they are written. */
  readonly pool?: ReadPool;
  /** Shared by all transfers that it is given to. */
  readonly connections?: ConnectionBudget;
  /** Called at each change, up to once per batch of writes. */
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

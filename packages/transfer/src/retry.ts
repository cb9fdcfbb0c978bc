import { setTimeout as sleep } from 'node:timers/promises';
import { ERROR_CODES, type ErrorCode, RbeeError } from '@rbee/contract/plain';

export interface RetryRule {
  /** Tries in a row without a new byte, including the first. */
  readonly attempts: number;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
}

/** Failures so far, including the current error. */
export interface Failures {
  /** In a row, since the last attempt that made progress; codes that are retried once are not counted. */
  readonly inRow: number;
  /** All with the code of the current error. */
  readonly sameCode: number;
}

export type RetryDecision = { readonly retry: true; readonly delayMs: number } | { readonly retry: false };

/** Servers can request any wait; there is no use in waiting longer than the quota windows of the large hubs. */
const maxRetryAfterMs = 300_000;
const JITTER_MIN = 0.5;
const JITTER_SPAN = 1;

/** Whether and when to retry after an error, with exponential backoff and jitter: the only place that decides it. */
export function retryDelay(error: unknown, failures: Failures, rule: RetryRule, random: () => number): RetryDecision {
  if (!(error instanceof RbeeError)) return { retry: false };
  const { retried } = ERROR_CODES[error.code];
  if (retried === 'no' || isRefusal(error)) return { retry: false };
  const isSpent = isCountedApart(error) ? failures.sameCode > 1 : failures.inRow >= rule.attempts;
  if (isSpent) return { retry: false };
  if (error.retryAfterMs !== undefined) {
    return { retry: true, delayMs: Math.min(Math.max(0, error.retryAfterMs), maxRetryAfterMs) };
  }
  const doublings = isCountedApart(error) ? 0 : Math.max(0, failures.inRow - 1);
  const delayMs = Math.min(rule.baseDelayMs * 2 ** doublings, rule.maxDelayMs);
  return { retry: true, delayMs: Math.round(delayMs * (JITTER_MIN + JITTER_SPAN * random())) };
}

/** Codes that are retried once blame the content, not the connection: they are counted separately. */
function isCountedApart(error: unknown): boolean {
  return error instanceof RbeeError && ERROR_CODES[error.code].retried === 'once';
}

/** A status such as 400 is the server's final word on this request, although `DOWNLOAD_FAILED` is retried otherwise. */
function isRefusal(error: RbeeError): boolean {
  const status = error.details?.['status'];
  return error.code === 'DOWNLOAD_FAILED' && typeof status === 'number' && status >= 400 && status < 500;
}

/** What a function gets from `withRetry`. */
export interface Attempt {
  /** 1 for the first attempt and after one that made progress; otherwise the failures in a row plus one. */
  readonly number: number;
  /** This attempt has made progress: if it fails, the count starts again. */
  progressed(): void;
}

export interface Retry {
  readonly error: RbeeError;
  /** The number of the next attempt. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly delayMs: number;
  readonly nextRetryAtMs: number;
}

export interface RetryOptions {
  readonly signal: AbortSignal;
  readonly rule: RetryRule;
  /** Called before each wait. */
  readonly onRetry?: (retry: Retry) => void;
  readonly random?: () => number;
  readonly now?: () => number;
}

/**
 * Calls a function until it succeeds or `retryDelay` says stop; rejects with the last error.
 * An abort ends it immediately with the signal's reason. The function must not retry on its own.
 */
export async function withRetry<T>(fn: (attempt: Attempt) => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, rule, onRetry, random = Math.random, now = Date.now } = options;
  const countByCode = new Map<ErrorCode, number>();
  let inRow = 0;
  // Terminates: `retryDelay` limits failures in a row, and only a new byte of a finite file resets the count.
  for (;;) {
    signal.throwIfAborted();
    let hasProgressed = false;
    const progressed = () => {
      hasProgressed = true;
    };
    try {
      return await fn({ number: inRow + 1, progressed });
    } catch (error) {
      signal.throwIfAborted();
      const sameCode = error instanceof RbeeError ? (countByCode.get(error.code) ?? 0) + 1 : 1;
      inRow = (hasProgressed ? 0 : inRow) + (isCountedApart(error) ? 0 : 1);
      const decision = retryDelay(error, { inRow, sameCode }, rule, random);
      if (!decision.retry || !(error instanceof RbeeError)) throw error;
      countByCode.set(error.code, sameCode);
      const { delayMs } = decision;
      onRetry?.({
        error,
        attempt: inRow + 1,
        maxAttempts: rule.attempts,
        delayMs,
        nextRetryAtMs: now() + delayMs,
      });
      await pause(delayMs, signal);
    }
  }
}

async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal });
  } catch (error) {
    // The timer rejects with its own AbortError; callers expect the signal's reason.
    signal.throwIfAborted();
    throw error;
  }
}

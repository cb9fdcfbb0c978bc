import { type Clock, ERROR_CODES, type ErrorCode, RbeeError, systemClock } from '@rbee/contract/plain';
import { isOutage } from './outage.ts';
import { errorOfShortage } from './shortage.ts';

export interface RetryRule {
  /** Tries in a row without a new byte, including the first. */
  readonly attempts: number;
  readonly baseDelayMs: number;
  /** The longest wait that is not the server's wish. */
  readonly maxDelayMs: number;
  /**
   * An outage is given up only if this long has passed without a new byte, too, however many attempts that takes; left out or 0, the
   * attempts alone decide.
   */
  readonly windowMs?: number;
}

/** Failures so far, including the current error. */
export interface Failures {
  /** In a row, since the last attempt that made progress; codes that are retried once are not counted. */
  readonly inRow: number;
  /** All with the code of the current error. */
  readonly sameCode: number;
  /** Since the last new byte, or the start; by a clock that nobody sets. */
  readonly quietMs: number;
}

export type RetryDecision = { readonly retry: true; readonly delayMs: number } | { readonly retry: false };

/** Servers can request any wait; there is no use in waiting longer than the quota windows of the large hubs. */
const maxRetryAfterMs = 300_000;
const JITTER_MIN = 0.5;
const JITTER_SPAN = 1;

/**
 * Whether and when to retry after an error, with exponential backoff and jitter: the only place that decides it. A wait that the server
 * requests makes the backoff longer, never shorter: `Retry-After: 0` and dates in the past are common.
 */
export function retryDelay(
  error: unknown,
  failures: Failures,
  rule: RetryRule,
  random: () => number,
  isPatient: (error: RbeeError) => boolean = isOutage,
): RetryDecision {
  if (!(error instanceof RbeeError)) return { retry: false };
  const { retried } = ERROR_CODES[error.code];
  if (retried === 'no' || isRefusal(error)) return { retry: false };
  if (isCountedApart(error) ? failures.sameCode > 1 : isSpent(failures, rule, isPatient(error))) {
    return { retry: false };
  }
  const requestedMs = Math.min(Math.max(0, error.retryAfterMs ?? 0), maxRetryAfterMs);
  const doublings = isCountedApart(error) ? 0 : Math.max(0, failures.inRow - 1);
  const delayMs = Math.min(rule.baseDelayMs * 2 ** doublings, rule.maxDelayMs);
  const spreadMs = Math.min(Math.round(delayMs * (JITTER_MIN + JITTER_SPAN * random())), rule.maxDelayMs);
  return { retry: true, delayMs: Math.max(spreadMs, requestedMs) };
}

function isSpent({ inRow, quietMs }: Failures, { attempts, windowMs = 0 }: RetryRule, isPatient: boolean): boolean {
  return inRow >= attempts && (!isPatient || quietMs >= windowMs);
}

/** Codes that are retried once blame the content, not the connection: they are counted separately. */
function isCountedApart(error: unknown): boolean {
  return error instanceof RbeeError && ERROR_CODES[error.code].retried === 'once';
}

/** A status such as 400 is the server's final word on this request, although `DOWNLOAD_FAILED` is retried otherwise. */
function isRefusal(error: RbeeError): boolean {
  const { status, page } = error.details ?? {};
  // A URL that leads to a web page leads there again.
  const isFinal = page === true || (typeof status === 'number' && status >= 400 && status < 500);
  return error.code === 'DOWNLOAD_FAILED' && isFinal;
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
  /** null once they are used up: then the window decides how many more there are. */
  readonly maxAttempts: number | null;
  readonly delayMs: number;
  readonly nextRetryAtMs: number;
}

export interface RetryOptions {
  readonly signal: AbortSignal;
  readonly rule: RetryRule;
  /** Called before each wait. */
  readonly onRetry?: (retry: Retry) => void;
  /** Which errors the rule's window holds for; left out, every outage. */
  readonly isPatient?: (error: RbeeError) => boolean;
  readonly random?: () => number;
  /** Milliseconds since the epoch, to say when the next attempt is. */
  readonly now?: () => number;
  /** For waits and the window. Left out, one that nobody sets and that stands still while the machine sleeps. */
  readonly clock?: Clock;
}

/** Its timers keep the process alive. */
const waitingClock: Clock = {
  ...systemClock,
  setTimer(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * Calls a function until it succeeds or `retryDelay` says stop; rejects with the last error.
 * An abort ends it immediately with the signal's reason. The function must not retry on its own.
 */
export async function withRetry<T>(fn: (attempt: Attempt) => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, rule, onRetry, isPatient, random = Math.random, now = Date.now, clock = waitingClock } = options;
  const countByCode = new Map<ErrorCode, number>();
  let inRow = 0;
  let newestByteMs = clock.elapsed();
  // Terminates: `retryDelay` limits failures in a row, and only a new byte of a finite file resets the count.
  for (;;) {
    signal.throwIfAborted();
    let hasProgressed = false;
    const progressed = () => {
      hasProgressed = true;
      newestByteMs = clock.elapsed();
    };
    try {
      return await fn({ number: inRow + 1, progressed });
    } catch (error) {
      signal.throwIfAborted();
      const sameCode = error instanceof RbeeError ? (countByCode.get(error.code) ?? 0) + 1 : 1;
      inRow = (hasProgressed ? 0 : inRow) + (isCountedApart(error) ? 0 : 1);
      const failures = { inRow, sameCode, quietMs: clock.elapsed() - newestByteMs };
      const decision = retryDelay(error, failures, rule, random, isPatient);
      if (!decision.retry || !(error instanceof RbeeError)) throw error;
      countByCode.set(error.code, sameCode);
      const { delayMs } = decision;
      const attempt = inRow + 1;
      const maxAttempts = attempt > rule.attempts ? null : rule.attempts;
      onRetry?.({ error, attempt, maxAttempts, delayMs, nextRetryAtMs: now() + delayMs });
      await pause(delayMs, signal, clock);
    }
  }
}

/**
 * Calls a function again while it fails because of a shortage, as an outage is waited for. Its other errors are final here: whoever
 * throws them has retried them already.
 */
export async function waitForShortages<T>(fn: (attempt: Attempt) => Promise<T>, options: RetryOptions): Promise<T> {
  const outcome = await withRetry<{ readonly value: T } | { readonly error: unknown }>(async (attempt) => {
    try {
      return { value: await fn(attempt) };
    } catch (error) {
      const shortage = errorOfShortage(error);
      if (shortage !== null) throw shortage;
      return { error };
    }
  }, options);
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}

/** "attempt 2 of 6", or "attempt 7" once only the window is left. */
export function attemptText({ attempt, maxAttempts }: Pick<Retry, 'attempt' | 'maxAttempts'>): string {
  return `attempt ${attempt}${maxAttempts === null ? '' : ` of ${maxAttempts}`}`;
}

/** Rejects with the signal's reason. */
async function pause(delayMs: number, signal: AbortSignal, clock: Clock): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  const cancel = clock.setTimer(delayMs, resolve);
  try {
    await promise;
  } finally {
    cancel();
    signal.removeEventListener('abort', abort);
  }
}

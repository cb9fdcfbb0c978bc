import { ERROR_CODES, type ErrorCode, RbeeError } from '@rbee/contract';
import { createManualClock } from '@rbee/testing';
import { describe, expect, test } from 'vitest';
import { type Retry, retryDelay, withRetry } from '../src/index.ts';

const rule = { attempts: 6, baseDelayMs: 100, maxDelayMs: 30_000 };
const middle = () => 0.5;
const failed = new RbeeError('DOWNLOAD_FAILED', 'cut');

describe('the decision', () => {
  test('doubles from the base to the maximum and stops when the attempts are used up', () => {
    const delays = [1, 2, 3, 4, 5].map((inRow) =>
      retryDelay(failed, { inRow, sameCode: inRow, quietMs: 0 }, rule, middle),
    );
    expect(delays).toEqual([100, 200, 400, 800, 1_600].map((delayMs) => ({ retry: true, delayMs })));
    expect(retryDelay(failed, { inRow: 6, sameCode: 6, quietMs: 0 }, rule, middle)).toEqual({ retry: false });
    const patient = { ...rule, attempts: 100 };
    expect(retryDelay(failed, { inRow: 50, sameCode: 50, quietMs: 0 }, patient, middle)).toEqual({
      retry: true,
      delayMs: 30_000,
    });
  });

  test('spreads each delay from half of it to one and a half', () => {
    const delayAt = (random: number) => retryDelay(failed, { inRow: 1, sameCode: 1, quietMs: 0 }, rule, () => random);
    expect(delayAt(0)).toEqual({ retry: true, delayMs: 50 });
    expect(delayAt(1)).toEqual({ retry: true, delayMs: 150 });
  });

  const asked = (retryAfterMs: number) =>
    retryDelay(
      new RbeeError('SOURCE_UNAVAILABLE', 'later', { retryAfterMs }),
      { inRow: 3, sameCode: 3, quietMs: 0 },
      rule,
      middle,
    );

  test("takes the server's Retry-After, up to five minutes", () => {
    expect(asked(7_000)).toEqual({ retry: true, delayMs: 7_000 });
    expect(asked(86_400_000)).toEqual({ retry: true, delayMs: 300_000 });
  });

  test.each([0, 1, 399, -5_000])('[B2] waits as long as without it where Retry-After says %i ms', (retryAfterMs) => {
    expect(asked(retryAfterMs)).toEqual({ retry: true, delayMs: 400 });
  });

  test('never waits longer than the maximum, whatever the jitter', () => {
    const patient = { ...rule, attempts: 100 };
    const late = { inRow: 50, sameCode: 50, quietMs: 0 };
    expect(retryDelay(failed, late, patient, () => 1)).toEqual({ retry: true, delayMs: 30_000 });
  });

  test('retries each code as the table of codes says', () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      const first = retryDelay(new RbeeError(code, 'x'), { inRow: 1, sameCode: 1, quietMs: 0 }, rule, middle);
      const second = retryDelay(new RbeeError(code, 'x'), { inRow: 2, sameCode: 2, quietMs: 0 }, rule, middle);
      const { retried } = ERROR_CODES[code];
      expect([code, first.retry, second.retry]).toEqual([code, retried !== 'no', retried === 'yes']);
    }
  });

  test('retries neither a bug nor a request that the server calls wrong', () => {
    expect(retryDelay(new TypeError('bug'), { inRow: 1, sameCode: 1, quietMs: 0 }, rule, middle)).toEqual({
      retry: false,
    });
    const wrong = new RbeeError('DOWNLOAD_FAILED', 'status 400', { details: { status: 400 } });
    expect(retryDelay(wrong, { inRow: 1, sameCode: 1, quietMs: 0 }, rule, middle)).toEqual({ retry: false });
  });
});

describe('the window', () => {
  const window = { ...rule, windowMs: 900_000 };
  const spent = (quietMs: number) => ({ inRow: 40, sameCode: 40, quietMs });
  const isRetried = (error: RbeeError, quietMs = 899_999) => retryDelay(error, spent(quietMs), window, middle).retry;

  test.each<[string, RbeeError]>([
    ['no connection', new RbeeError('SOURCE_UNAVAILABLE', 'x', { details: { code: 'ECONNREFUSED' } })],
    ['no route', new RbeeError('SOURCE_UNAVAILABLE', 'x', { details: { code: 'EHOSTUNREACH' } })],
    ['a name that is not found', new RbeeError('SOURCE_UNAVAILABLE', 'x', { details: { code: 'ENOTFOUND' } })],
    ['503', new RbeeError('SOURCE_UNAVAILABLE', 'x', { details: { status: 503 } })],
    ['429', new RbeeError('SOURCE_UNAVAILABLE', 'x', { details: { status: 429 } })],
    ['silence', new RbeeError('DOWNLOAD_TIMEOUT', 'x')],
    ['a cut', new RbeeError('DOWNLOAD_FAILED', 'x', { details: { code: 'ECONNRESET' } })],
    ['a cut without an errno', new RbeeError('DOWNLOAD_FAILED', 'x', { details: { code: 'UND_ERR_SOCKET' } })],
    ['a shortage of descriptors', new RbeeError('DOWNLOAD_FAILED', 'x', { details: { shortage: 'EMFILE' } })],
  ])('[B1] %s is given up only when it is over, however many attempts that takes', (_what, error) => {
    expect(isRetried(error)).toBe(true);
    expect(isRetried(error, 900_000)).toBe(false);
    expect(retryDelay(error, { inRow: 2, sameCode: 2, quietMs: 900_000 }, window, middle).retry).toBe(true);
  });

  test.each<[string, RbeeError]>([
    ['a file that is not there', new RbeeError('MODEL_NOT_FOUND', 'x', { details: { status: 404 } })],
    ['a gated model', new RbeeError('MODEL_GATED', 'x')],
    ['a refusal', new RbeeError('MODEL_ACCESS_DENIED', 'x', { details: { status: 403 } })],
    ['wrong content', new RbeeError('CHECKSUM_MISMATCH', 'x')],
    ['another version', new RbeeError('SOURCE_CHANGED', 'x')],
    ['a web page', new RbeeError('DOWNLOAD_FAILED', 'x')],
    ['no HTTP', new RbeeError('DOWNLOAD_FAILED', 'x', { details: { code: 'HPE_INVALID_CONSTANT' } })],
    ['a server that is not a hub', new RbeeError('SOURCE_UNAVAILABLE', 'x')],
    ['a method that is not implemented', new RbeeError('SOURCE_UNAVAILABLE', 'x', { details: { status: 501 } })],
    ['a full disk', new RbeeError('DISK_FULL', 'x')],
  ])('[B1] does not hold for %s', (_what, error) => {
    expect(isRetried(error)).toBe(false);
  });
});

describe('the loop', () => {
  const quick = { attempts: 3, baseDelayMs: 1, maxDelayMs: 1 };
  const signal = new AbortController().signal;

  test('gives the result of the first attempt that succeeds, and announces each retry', async () => {
    const numbers: number[] = [];
    const retries: Retry[] = [];
    const result = await withRetry(
      async ({ number }) => {
        numbers.push(number);
        if (number < 3) throw failed;
        return 'done';
      },
      { signal, rule: quick, onRetry: (retry) => void retries.push(retry), random: middle, now: () => 1_000 },
    );
    expect(result).toBe('done');
    expect(numbers).toEqual([1, 2, 3]);
    const common = { error: failed, maxAttempts: 3, delayMs: 1, nextRetryAtMs: 1_001 };
    expect(retries).toEqual([
      { ...common, attempt: 2 },
      { ...common, attempt: 3 },
    ]);
  });

  test('ends with the last error when the attempts are used up', async () => {
    let calls = 0;
    const run = withRetry(
      async () => {
        calls += 1;
        throw new RbeeError('DOWNLOAD_FAILED', `failure ${calls}`);
      },
      { signal, rule: quick },
    );
    await expect(run).rejects.toThrow('failure 3');
    expect(calls).toBe(3);
  });

  test('starts counting again after an attempt that made progress', async () => {
    let calls = 0;
    const run = withRetry(
      async (attempt) => {
        calls += 1;
        if (calls <= 10) attempt.progressed();
        throw failed;
      },
      { signal, rule: quick },
    );
    await expect(run).rejects.toBe(failed);
    expect(calls).toBe(12);
  });

  test('counts changed content separately from connection errors', async () => {
    const changed = new RbeeError('SOURCE_CHANGED', 'changed');
    const mismatch = new RbeeError('CHECKSUM_MISMATCH', 'mismatch');
    const errors = [failed, changed, failed, mismatch, changed];
    let calls = 0;
    const run = withRetry(
      async () => {
        throw errors[calls++];
      },
      { signal, rule: quick },
    );
    await expect(run).rejects.toBe(changed);
    expect(calls).toBe(5);
  });

  test('[B1] an outage of five minutes is waited out, in steps of 30 s, each of them announced', async () => {
    const clock = createManualClock();
    const backAtMs = clock.now() + 300_000;
    const retries: Retry[] = [];
    const refused = new RbeeError('SOURCE_UNAVAILABLE', 'refused', { details: { code: 'ECONNREFUSED' } });
    const run = withRetry(
      async () => {
        if (clock.now() < backAtMs) throw refused;
        return 'there';
      },
      {
        ...{ signal, clock, now: clock.now, random: middle },
        rule: { ...rule, windowMs: 900_000 },
        onRetry: (retry) => void retries.push(retry),
      },
    );
    let isOver = false;
    void run.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      const { length } = retries;
      const wait = (retries.at(-1)?.nextRetryAtMs ?? clock.now()) - clock.now();
      clock.advance(wait);
      while (!isOver && retries.length === length) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await run).toBe('there');
    expect(Math.max(...retries.map(({ delayMs }) => delayMs))).toBe(30_000);
    expect(retries.slice(4, 7).map(({ attempt, maxAttempts }) => [attempt, maxAttempts])).toEqual([
      [6, 6],
      [7, null],
      [8, null],
    ]);
  });

  test('[B1] the window begins again with each new byte', async () => {
    const clock = createManualClock();
    let calls = 0;
    const cutAgain = new RbeeError('DOWNLOAD_TIMEOUT', 'silence');
    const run = withRetry(
      async (attempt) => {
        calls += 1;
        clock.advance(600);
        if (calls === 2) attempt.progressed();
        clock.advance(600);
        throw cutAgain;
      },
      { signal, clock, rule: { attempts: 1, baseDelayMs: 0, maxDelayMs: 0, windowMs: 2_000 } },
    ).catch((error: unknown) => error);
    let ended: unknown = null;
    void run.then((error) => {
      ended = error;
    });
    while (ended === null) {
      clock.advance(0);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(ended).toBe(cutAgain);
    // Quiet after each: 1200, 600 (new byte), 1800, 3000.
    expect(calls).toBe(4);
  });

  test('ends a wait immediately on abort, with the reason of the signal', async () => {
    const abort = new AbortController();
    const reason = new Error('not wanted any more');
    const run = withRetry(() => Promise.reject(failed), {
      signal: abort.signal,
      rule: { attempts: 2, baseDelayMs: 3_600_000, maxDelayMs: 3_600_000 },
      onRetry: () => setImmediate(() => abort.abort(reason)),
    });
    await expect(run).rejects.toBe(reason);
  });
});

import { ERROR_CODES, type ErrorCode, RbeeError } from '@rbee/contract';
import { describe, expect, test } from 'vitest';
import { type Retry, retryDelay, withRetry } from '../src/index.ts';

const rule = { attempts: 6, baseDelayMs: 100, maxDelayMs: 30_000 };
const middle = () => 0.5;
const failed = new RbeeError('DOWNLOAD_FAILED', 'cut');

describe('the decision', () => {
  test('doubles from the base to the maximum and stops when the attempts are used up', () => {
    const delays = [1, 2, 3, 4, 5].map((inRow) => retryDelay(failed, { inRow, sameCode: inRow }, rule, middle));
    expect(delays).toEqual([100, 200, 400, 800, 1_600].map((delayMs) => ({ retry: true, delayMs })));
    expect(retryDelay(failed, { inRow: 6, sameCode: 6 }, rule, middle)).toEqual({ retry: false });
    const patient = { ...rule, attempts: 100 };
    expect(retryDelay(failed, { inRow: 50, sameCode: 50 }, patient, middle)).toEqual({ retry: true, delayMs: 30_000 });
  });

  test('spreads each delay from half of it to one and a half', () => {
    const delayAt = (random: number) => retryDelay(failed, { inRow: 1, sameCode: 1 }, rule, () => random);
    expect(delayAt(0)).toEqual({ retry: true, delayMs: 50 });
    expect(delayAt(1)).toEqual({ retry: true, delayMs: 150 });
  });

  test("takes the server's Retry-After as it is, up to five minutes", () => {
    const asked = (retryAfterMs: number) =>
      retryDelay(
        new RbeeError('SOURCE_UNAVAILABLE', 'later', { retryAfterMs }),
        { inRow: 3, sameCode: 3 },
        rule,
        middle,
      );
    expect(asked(7_000)).toEqual({ retry: true, delayMs: 7_000 });
    expect(asked(0)).toEqual({ retry: true, delayMs: 0 });
    expect(asked(86_400_000)).toEqual({ retry: true, delayMs: 300_000 });
  });

  test('retries each code as the table of codes says', () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      const first = retryDelay(new RbeeError(code, 'x'), { inRow: 1, sameCode: 1 }, rule, middle);
      const second = retryDelay(new RbeeError(code, 'x'), { inRow: 2, sameCode: 2 }, rule, middle);
      const { retried } = ERROR_CODES[code];
      expect([code, first.retry, second.retry]).toEqual([code, retried !== 'no', retried === 'yes']);
    }
  });

  test('retries neither a bug nor a request that the server calls wrong', () => {
    expect(retryDelay(new TypeError('bug'), { inRow: 1, sameCode: 1 }, rule, middle)).toEqual({ retry: false });
    const wrong = new RbeeError('DOWNLOAD_FAILED', 'status 400', { details: { status: 400 } });
    expect(retryDelay(wrong, { inRow: 1, sameCode: 1 }, rule, middle)).toEqual({ retry: false });
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

import { answerLater, costlyRuns, makeSampleGguf } from '@rbee/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readGguf } from '../../src/models/gguf/read-gguf.ts';

const SAMPLE = makeSampleGguf({ size: 400_000, seed: 1 });
const HEADER_BYTES = 4_000;
/** More than any header of this size needs; a hostile one may be made to need more, and is then given up. */
const TIMEOUT_MS = 20_000;

describe('the header of a GGUF file', () => {
  it('with changed, truncated or random bytes is printable or refused, in time', async () => {
    const at = fc.nat(HEADER_BYTES);
    const change = fc.tuple(
      at,
      fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 8 }), fc.constant(new Uint8Array(8).fill(0xff))),
    );
    const damaged = fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
      const bytes = Buffer.from(SAMPLE);
      for (const [offset, other] of changes) bytes.set(other, offset);
      return bytes;
    });
    const cut = fc.nat(SAMPLE.length).map((length) => SAMPLE.subarray(0, length));
    const other = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.concat([Buffer.from('GGUF'), bytes]));
    await fc.assert(
      fc.asyncProperty(fc.oneof(damaged, cut, other), async (bytes) => {
        const read = await answerLater(() =>
          readGguf(async (start, end) => ({ bytes: new Uint8Array(bytes.subarray(start, end)), total: bytes.length }), {
            name: 'm.gguf',
            timeoutMs: TIMEOUT_MS,
            signal: new AbortController().signal,
          }),
        );
        if ('code' in read) return void expect(read.code).toBe('DOWNLOAD_FAILED');
        const { name, architecture, parameters, context_length } = read.value;
        for (const text of [name, architecture]) expect(text ?? '').not.toMatch(/\p{Cc}|\p{Cf}/u);
        for (const number of [parameters, context_length]) expect(number ?? 0).toBeGreaterThanOrEqual(0);
      }),
      costlyRuns(400),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRetryLines } from '../../src/follow/retry-lines.ts';

const piece = fc.constantFrom(
  'retry: 12\n',
  'retry:7\r',
  'data: retry: 1\n',
  'r\n',
  ': c\r\n',
  '\n',
  '\r',
  'é',
  'retryx: 3\n',
  'id: a.1\n',
);

function strip(chunks: readonly Uint8Array[]) {
  const lines = createRetryLines();
  const text = Buffer.concat(chunks.map((chunk) => lines.strip(chunk))).toString();
  return { text, farewellMs: lines.farewellMs, isAtLineStart: lines.isAtLineStart };
}

const stripText = (text: string) => strip([Buffer.from(text)]);

describe('retry lines', () => {
  it('become comments of the same length', () => {
    expect(stripText('retry: 5\ndata: x\nretry: 6\r\n\n').text).toBe(':etry: 5\ndata: x\n:etry: 6\r\n\n');
  });

  it('are found however the bytes are cut, and nothing else is changed', () => {
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const text = pieces.join('');
        const whole = stripText(text);
        expect(strip([...Buffer.from(text)].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
        expect(whole.text).toBe(text.replaceAll(/(^|[\r\n])r/g, '$1:'));
      }),
    );
  });

  it('leave the given bytes alone', () => {
    const chunk = Buffer.from('retry: 5\n');
    stripText(chunk.toString());
    createRetryLines().strip(chunk);
    expect(chunk.toString()).toBe('retry: 5\n');
  });

  it('are found behind a byte order mark', () => {
    expect(stripText('\uFEFFretry: 5\n')).toMatchObject({ text: '\uFEFF:etry: 5\n', farewellMs: 5 });
  });

  it.each([
    ['retry: 3000\n\n', 3000],
    ['data: x\n\nretry: 42\n\n: bye\n\n', 42],
    ['retry: 3000\n\ndata: x\n\n', null],
    ['retry: 1e9\n', null],
    ['retry: -5\n', null],
    ['retry: 5', null],
    [`retry: ${'9'.repeat(500)}\n`, Number('9'.repeat(25))],
  ])('%j says farewell for %d ms', (text, farewellMs) => {
    expect(stripText(text).farewellMs).toBe(farewellMs);
  });

  it('know whether a line has begun', () => {
    expect(stripText('').isAtLineStart).toBe(true);
    expect(stripText('data: x').isAtLineStart).toBe(false);
    expect(stripText('data: x\r').isAtLineStart).toBe(true);
  });
});

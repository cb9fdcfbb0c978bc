import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nowUs, stampedData } from '../../src/relay/stamp.ts';
import { createStampReader } from '../../src/relay/stamp-reader.ts';

const framings = {
  chunked: (data: string) => `${(data.length + 24).toString(16)}\r\nevent: progress\ndata: ${data}\n\n\r\n`,
  plain: (data: string) => `id: 1:0\ndata: ${data}\n\n`,
};

function stampsIn(pieces: readonly Buffer[]): number[] {
  const stamps: number[] = [];
  const reader = createStampReader((us) => stamps.push(us));
  for (const piece of pieces) reader.read(piece);
  return stamps;
}

describe('the reader of stamps', () => {
  test('finds the moment at which an event was made', () => {
    const before = nowUs();
    const [stamp = 0, ...more] = stampsIn([Buffer.from(framings.plain(stampedData()))]);
    expect(stamp).toBeGreaterThanOrEqual(before);
    expect(stamp).toBeLessThanOrEqual(nowUs());
    expect(more).toEqual([]);
  });

  test.each(Object.entries(framings))('finds each event once, however the packets of %s are cut', (_, frame) => {
    const events = Array.from({ length: 5 }, () => frame(stampedData()));
    const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n\r\n${events.join('')}`);
    const expected = stampsIn(events.map((event) => Buffer.from(event)));
    expect(expected).toHaveLength(5);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 30 }), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const pieces = edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
        expect(stampsIn(pieces)).toEqual(expected);
      }),
    );
  });

  test('makes data of one size, and another moment each time', () => {
    const [first, second] = [stampedData(), stampedData()];
    expect(first).toHaveLength(175);
    expect(second).toHaveLength(175);
    expect(() => JSON.parse(first) as unknown).not.toThrow();
  });
});

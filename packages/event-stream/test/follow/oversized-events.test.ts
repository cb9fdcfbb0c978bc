import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createOversizedEvents } from '../../src/follow/oversized-events.ts';

const maxChars = 8;

/** What is left of a text that comes in pieces. */
function strip(text: string, pieceBytes = 3) {
  let dropped = 0;
  const events = createOversizedEvents(maxChars, () => {
    dropped += 1;
  });
  const bytes = Buffer.from(text);
  const left: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.length; offset += pieceBytes)
    left.push(events.strip(bytes.subarray(offset, offset + pieceBytes)));
  const whole = Buffer.concat(left).toString();
  return { whole, rest: Buffer.from(events.rest()).toString(), dropped, isEndless: events.isEndless };
}

describe('events that are too large', () => {
  it.each([1, 2, 3, 5, 8, 100])('are taken out, and the others stay whole, in pieces of %d bytes', (pieceBytes) => {
    const large = `${'x'.repeat(20)}\n\n`;
    const text = `a: 1\n\n${large}b: 2\n\n${large}${large}c: 3\r\n\r\nd`;
    expect(strip(text, pieceBytes)).toEqual({
      whole: 'a: 1\n\nb: 2\n\nc: 3\r\n\r',
      rest: '\nd',
      dropped: 3,
      isEndless: false,
    });
  });

  it('are measured over all their lines', () => {
    expect(strip('1\n2\n3\n4\n5\n\nok\n\n')).toMatchObject({ whole: 'ok\n\n', dropped: 1 });
  });

  it('leave nothing of one that has not ended', () => {
    expect(strip(`ok\n\n${'x'.repeat(100)}`)).toMatchObject({ whole: 'ok\n\n', rest: '', isEndless: false });
  });

  it('may have no end at all', () => {
    expect(strip('x'.repeat(200))).toMatchObject({ whole: '', rest: '', dropped: 1, isEndless: true });
  });

  it('are the same however the bytes are cut into pieces', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'ä', '\r', '\n'), maxLength: 80 });
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 9 }), (stream, pieceBytes) => {
        expect(strip(stream, pieceBytes)).toEqual(strip(stream, 1_000));
      }),
    );
  });
});

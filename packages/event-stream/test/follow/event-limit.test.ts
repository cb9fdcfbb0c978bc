import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEventLimit } from '../../src/follow/event-limit.ts';

const maxChars = 8;

/** What is within the limit of a text that comes in pieces. */
function within(text: string, pieceBytes = 3): string {
  const limit = createEventLimit(maxChars);
  const bytes = Buffer.from(text);
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    const piece = bytes.subarray(offset, offset + pieceBytes);
    const passed = limit.within(piece);
    if (passed < piece.length) return bytes.subarray(0, offset + passed).toString();
  }
  return text;
}

describe('the limit for an event', () => {
  it.each(['123456\n\n123456\n\n', '123456\r\r123456\r\r', '1234\r\n\r\n1234\r\n\r\n', '\n\n\n\n\n\n\n\n\n\n'])(
    'passes %j, whose events are small enough',
    (text) => {
      expect(within(text)).toBe(text);
    },
  );

  it.each(['123456789', '1\n2\n3\n4\n5\n', '1\r\n2\r\n3\r\n4', '12345678\n\n'])(
    'cuts %j at its 8th character',
    (text) => {
      expect(within(text)).toBe(text.slice(0, maxChars));
    },
  );

  it('counts characters, not bytes', () => {
    expect(within('ääääää\n\n')).toBe('ääääää\n\n');
    expect(within('äääääääääää')).toBe('ääääääää');
  });

  it('does not depend on how the bytes are cut into pieces', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'ä', '\r', '\n'), maxLength: 60 });
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 9 }), (stream, pieceBytes) => {
        expect(within(stream, pieceBytes)).toBe(within(stream, 1_000));
      }),
    );
  });
});

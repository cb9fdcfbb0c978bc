import { describe, expect, it } from 'vitest';
import { isPrintable, printable, printableJson } from '../src/index.ts';

const UNPRINTABLE = [
  ['a line break', '\n'],
  ['a carriage return', '\r'],
  ['a bell', '\u0007'],
  ['an escape', '\u001b'],
  ['DEL', '\u007f'],
  ['a C1 control', '\u009b'],
  ['NEL', '\u0085'],
  ['a line separator', '\u2028'],
  ['a paragraph separator', '\u2029'],
  ['a bidirectional override', '\u202e'],
  ['a bidirectional isolate', '\u2066'],
  ['the Arabic letter mark', '\u061c'],
  ['a mark of direction', '\u200f'],
  ['a zero-width space', '\u200b'],
  ['a soft hyphen', '\u00ad'],
  ['a BOM', '\ufeff'],
  ['a tag', '\u{e0041}'],
  ['half a surrogate pair', '\ud800'],
] as const;

describe('unprintable characters', () => {
  it.each(UNPRINTABLE)('[K9] include %s', (_, character) => {
    expect(isPrintable(`a${character}b`)).toBe(false);
    expect(printable(`a${character}${character}b`)).toBe('a b');
    const json = JSON.stringify({ a: `x${character}y` });
    expect(isPrintable(printableJson(json))).toBe(true);
    expect(JSON.parse(printableJson(json))).toEqual(JSON.parse(json));
  });

  it.each(['model.gguf', '模型', 'é', 'e\u0301', '👀', '$(touch x)', ' ', 'שלום'])(
    'do not include the characters of %s',
    (text) => {
      expect(isPrintable(text)).toBe(true);
      expect(printable(text)).toBe(text);
      expect(printableJson(JSON.stringify(text))).toBe(JSON.stringify(text));
    },
  );
});

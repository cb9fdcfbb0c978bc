import { stripVTControlCharacters } from 'node:util';

import { printable } from '@rbee/contract';

export { printable };

/** A longer sentence is no help, and would push everything else off the screen. */
const MAX_SENTENCE_CHARS = 2_000;

/** A sentence from a server as one line of reasonable length. */
export function sentence(text: string): string {
  const line = printable(text.slice(0, MAX_SENTENCE_CHARS));
  return text.length > MAX_SENTENCE_CHARS ? `${line}…` : line;
}

/** Control characters, and what else ends a line. */
const BREAKS = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;

/** A path on a line of its own. It keeps characters that are invisible but belong to names of folders. */
export function pathLine(path: string): string {
  return `${path.replaceAll(BREAKS, ' ')}\n`;
}

/** First and last code point of double-width blocks (Unicode's East Asian Width `W` and `F`). */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1faff],
  [0x20000, 0x3fffd],
];
const EMOJI = /\p{Emoji_Presentation}/u;
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]/u;

/** User-perceived characters. */
function graphemes(text: string): string[] {
  return [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)].map(({ segment }) => segment);
}

function graphemeWidth(grapheme: string): number {
  const point = grapheme.codePointAt(0) ?? 0;
  if (point < 0x300) return 1;
  if (NO_WIDTH.test(grapheme)) return 0;
  return EMOJI.test(grapheme) || WIDE.some(([first, last]) => point >= first && point <= last) ? 2 : 1;
}

/** The width of a text in columns; colour codes count as none. */
export function textWidth(text: string): number {
  if (/^[\u0020-\u007e]*$/.test(text)) return text.length;
  return graphemes(stripVTControlCharacters(text)).reduce((width, grapheme) => width + graphemeWidth(grapheme), 0);
}

/** The text in at most `width` columns, with an ellipsis in the middle if it is longer. */
export function shorten(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  if (width <= 0) return '';
  const parts = graphemes(text);
  const tailWidth = Math.floor((width - 1) / 2);
  const head = takeWhileFits(parts, width - 1 - tailWidth);
  const tail = takeWhileFits([...parts].reverse(), tailWidth).reverse();
  return `${head.join('')}…${tail.join('')}`;
}

function takeWhileFits(parts: readonly string[], width: number): string[] {
  let left = width;
  const taken: string[] = [];
  for (const part of parts) {
    left -= graphemeWidth(part);
    if (left < 0) break;
    taken.push(part);
  }
  return taken;
}

/** The text padded with spaces to `width` columns, on the right, or on the left for `right`. */
export function pad(text: string, width: number, side: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - textWidth(text)));
  return side === 'left' ? text + space : space + text;
}

/** A word in pieces of at most `width` columns. */
function pieces(word: string, width: number): string[] {
  if (textWidth(word) <= width) return [word];
  const parts = graphemes(word);
  const first = takeWhileFits(parts, width);
  const rest = parts.slice(Math.max(1, first.length)).join('');
  return [parts.slice(0, Math.max(1, first.length)).join(''), ...(rest === '' ? [] : pieces(rest, width))];
}

/** The text in lines of at most `width` columns, broken at spaces; a longer word stays whole, or with `breaksWords` does not. */
export function wrap(text: string, width: number, { breaksWords = false } = {}): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ').flatMap((each) => (breaksWords ? pieces(each, width) : [each]))) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (textWidth(longer) <= width || line === '') {
      line = longer;
      continue;
    }
    lines.push(line);
    line = word;
  }
  return line === '' ? lines : [...lines, line];
}

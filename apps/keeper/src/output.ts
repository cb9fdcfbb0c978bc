import { printable } from '@rbee/contract';
import { textWidth } from './render/text.ts';

/** stdout or stderr as Node.js gives it. */
export interface OutputStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/**
 * The one way for text to stdout or stderr. Whatever a command writes, also texts of servers that it forgot to clean, no
 * control character reaches the outside except line breaks and tabs, and on a terminal the keeper's own colours.
 */
export interface TextOutput {
  readonly isTTY: boolean;
  /** Undefined without a terminal. */
  readonly columns: number | undefined;
  readonly rows: number | undefined;
  write(text: string): void;
  /** A text as `write` writes it. */
  shown(text: string): string;
  /** The stream itself, for cursor movements. Texts go through `shown` first. */
  readonly stream: OutputStream;
}

// The codes of `render/style.ts`, each as a piece of its own.
const COLOURS = /(\u001b\[(?:2|22|31|32|33|36|39)m)/;
// In a pipe a path keeps format characters: names of folders may contain them, and programs open them.
const UNSAFE_IN_PIPE = /[^\P{Cc}\n\t]+|[\p{Cs}\p{Zl}\p{Zp}]+/gu;
/** Between line breaks and tabs. */
const PARTS = /[^\n\t]+/g;
/** The keeper's own characters as ASCII. */
const ASCII: Readonly<Record<string, string>> = {
  '█': '#',
  '░': '.',
  '…': '~',
  '✓': '+',
  '✗': 'x',
  '→': '>',
};

export function textOutput(stream: OutputStream, env: NodeJS.ProcessEnv): TextOutput {
  const isAscii = stream.isTTY === true && !isUtf8(env);
  const shown = (text: string): string => {
    if (!stream.isTTY) return text.replaceAll(UNSAFE_IN_PIPE, ' ');
    const pieces = text.split(COLOURS);
    const clean = pieces.map((piece, index) =>
      index % 2 === 1 ? piece : piece.replaceAll(PARTS, (part) => printable(part)),
    );
    return isAscii ? clean.join('').replaceAll(/\P{ASCII}\p{M}*/gu, inAscii) : clean.join('');
  };
  return {
    isTTY: stream.isTTY === true,
    get columns() {
      return stream.columns;
    },
    get rows() {
      return stream.rows;
    },
    write: (text) => void stream.write(shown(text)),
    shown,
    stream,
  };
}

/** An 8-bit terminal takes some bytes of UTF-8 for control characters, so nothing but ASCII is safe there. */
const inAscii = (character: string): string => ASCII[character] ?? '?'.repeat(textWidth(character));

/** Whether the locale, by the rules of POSIX, has UTF-8. Without any, a Mac has it, and Linux the C locale. */
export function isUtf8(env: NodeJS.ProcessEnv, platform: NodeJS.Platform = process.platform): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return locale === '' ? platform === 'darwin' || platform === 'win32' : /utf-?8/i.test(locale);
}

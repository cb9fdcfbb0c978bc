// The one list of characters that no text from elsewhere may bring into a terminal, a name or a log: C0, DEL and C1 (escape
// sequences begin with one of them), format characters (bidirectional controls, zero width, tags, BOM), line and paragraph
// separators, and halves of surrogate pairs.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const RUNS = new RegExp(`${UNPRINTABLE.source}+`, 'gu');

/** Whether a text is one line without control or invisible characters. */
export function isPrintable(text: string): boolean {
  return !UNPRINTABLE.test(text);
}

/** Text from elsewhere as one line that controls no terminal: each run of unprintable characters becomes a space. */
export function printable(text: string): string {
  return text.replaceAll(RUNS, ' ');
}

/**
 * One line of JSON with every unprintable character escaped. It means the same: `JSON.stringify` escapes C0 only, and
 * outside of strings there is nothing to escape.
 */
export function printableJson(json: string): string {
  return json.replaceAll(RUNS, (run) => run.split('').map(escaped).join(''));
}

const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** A name that a hostile or careless stranger may give a file, a version or a header. */
export interface NastyName {
  readonly name: string;
  /** What it tries to do. */
  readonly trick: string;
  /** The name in printable form, for the title of a test. */
  readonly shown: string;
}

const maxShownCharacters = 40;

const long = (count: number): string => 'a'.repeat(count);

/**
 * Names that try to leave the folder they are joined to, to be mistaken for something else, or to break the code that handles
 * them. All code that takes a name from outside is tested with them: it rejects a name or makes it safe.
 */
export const NASTY_NAMES: readonly NastyName[] = [
  ...trick('climbs out of its folder', [
    '..',
    '../outside',
    '../../../../outside',
    'a/../../outside',
    'a/..',
    './../outside',
    'a/./../../outside',
    '.../...//outside',
    '..;/outside',
    '....//outside',
  ]),
  ...trick('is absolute', ['/outside', '//outside', '/etc/passwd', '/dev/null', '~/outside', 'file:///etc/passwd']),
  ...trick('climbs out with a backslash', [
    '..\\outside',
    '..\\..\\outside',
    'a\\..\\..\\outside',
    '\\outside',
    '\\\\host\\share',
  ]),
  ...trick('names a drive or a stream', [
    'C:\\outside',
    'C:/outside',
    'c:outside',
    'model.gguf::$DATA',
    'model.gguf:stream',
  ]),
  ...trick('is encoded once more', [
    '%2e%2e/outside',
    '%2e%2e%2foutside',
    '..%2foutside',
    '..%5coutside',
    '%252e%252e%252foutside',
    '%c0%ae%c0%ae/outside',
  ]),
  ...trick('looks like a separator or dots', [
    '\u2024\u2024/outside',
    '\uff0e\uff0e/outside',
    '..\uff0foutside',
    '..\u2215outside',
    '..\u2044outside',
    '\ufe52\ufe52/outside',
    '..\uff3coutside',
    '\uff23:\uff3coutside',
  ]),
  ...trick('holds a control character', [
    'a\0b',
    'model.gguf\0.txt',
    'a\nb',
    'a\r\nSet-Cookie: x',
    'a\x1b[2Jb',
    'a\x7fb',
    'a\u0085b',
  ]),
  ...trick('reads as another name', [
    'model\u202egufg.exe',
    'mo\u200bdel.gguf',
    '\ufeffmodel.gguf',
    'model\u2028.gguf',
    'm\u0430del.gguf',
  ]),
  ...trick('is too long', [long(256), long(5_000), `${long(300)}.gguf`, `${'a/'.repeat(600)}a`]),
  ...trick('is nothing or nearly so', ['.', ' ', '. .', 'a//b', 'a/', '-', '--help']),
  ...trick('is a device elsewhere', ['CON', 'nul.gguf', 'COM1', 'lpt1.txt', 'aux']),
  ...trick("is one of the store's own", [
    'blobs',
    'x.incomplete',
    'x.rbee.incomplete',
    'x.rbee-partial',
    '.locks',
    'refs/main',
    '.git/config',
  ]),
  ...trick('ends in what some systems drop', ['model.gguf.', 'model.gguf ', 'model.gguf . .']),
  ...trick('is markup or a command', [
    '<script>alert(1)</script>',
    '$(touch outside)',
    '`touch outside`',
    'a;touch outside',
    '"; filename="/etc/passwd',
    "it's",
  ]),
];

function printable(name: string): string {
  const start = name.slice(0, maxShownCharacters);
  return start.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function trick(what: string, names: readonly string[]): NastyName[] {
  return names.map((name) => ({ name, trick: what, shown: printable(name) }));
}

/** Longer headers are ignored: a name is a few hundred bytes at most, three characters each when encoded. */
const MAX_HEADER_CHARACTERS = 4_096;

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;

/**
 * The file name of a `Content-Disposition` header (RFC 6266): the extended form (RFC 8187) if it can be read, else the
 * plain one; null where there is none. The name is untrusted: pass it through `safeFileName`.
 */
export function fileNameOf(header: string | null): string | null {
  if (header === null || header.length > MAX_HEADER_CHARACTERS) return null;
  const parameters = parse(header);
  const extended = decodeExtended(parameters.get('filename*') ?? '');
  return extended ?? decodePlain(parameters.get('filename') ?? null);
}

function parse(header: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  // The disposition type does not matter, as in a browser, and may be missing.
  let at = /^\s*[^;="]*(?=;|$)/.exec(header)?.[0].length ?? 0;
  for (;;) {
    at = skip(header, at, /[;\s]*/y);
    const name = match(header, at, TOKEN);
    if (name === null) return parameters;
    at = skip(header, at + name.text.length, /\s*/y);
    if (header[at] !== '=') continue;
    at = skip(header, at + 1, /\s*/y);
    const value = match(header, at, QUOTED) ?? match(header, at, /[^;\s]+/y);
    if (value === null) return parameters;
    at += value.text.length;
    const key = name.text.toLowerCase();
    if (!parameters.has(key)) parameters.set(key, value.inner?.replaceAll(/\\(.)/g, '$1') ?? value.text);
  }
}

function skip(text: string, at: number, pattern: RegExp): number {
  return at + (match(text, at, pattern)?.text.length ?? 0);
}

function match(text: string, at: number, pattern: RegExp): { text: string; inner: string | undefined } | null {
  pattern.lastIndex = at;
  const found = pattern.exec(text);
  return found === null ? null : { text: found[0], inner: found[1] };
}

/** `UTF-8''na%C3%AFve.gguf` */
function decodeExtended(value: string): string | null {
  const [, charset = '', encoded = ''] =
    /^([A-Za-z0-9-]+)'[^']*'((?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-Fa-f]{2})+)$/.exec(value) ?? [];
  const label = /^utf-8$/i.test(charset) ? 'utf-8' : /^iso-8859-1$/i.test(charset) ? 'latin1' : null;
  if (label === null) return null;
  const bytes = Buffer.from(
    encoded.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  if (label === 'latin1') return bytes.toString('latin1');
  const text = bytes.toString('utf8');
  return text.includes('\ufffd') ? null : text;
}

/** Some servers send raw UTF-8, which arrives as one character per byte. */
function decodePlain(value: string | null): string | null {
  if (value === null || value === '') return null;
  const text = Buffer.from(value, 'latin1').toString('utf8');
  return text.includes('\ufffd') ? value : text;
}

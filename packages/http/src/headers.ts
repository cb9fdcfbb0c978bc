/** Response headers as undici gives them: lower-case names, a list for a repeated header. */
export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The first value of a header, without the spaces that may stand around it; null if missing. */
export function headerOf(headers: ResponseHeaders, name: string): string | null {
  const value = headers[name];
  const first = typeof value === 'string' ? value : value?.[0];
  return first === undefined ? null : withoutBlanks(first);
}

/** Only spaces and tabs: the last byte of UTF-8 may look like another kind of space. */
function withoutBlanks(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text[start])) start += 1;
  while (end > start && isBlank(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

const isBlank = (character: string | undefined): boolean => character === ' ' || character === '\t';

/** The parts of a header that is a list, wherever they were separated; empty ones are left out. */
export function valuesOf(headers: ResponseHeaders, name: string): readonly string[] {
  const value = headers[name];
  const lines = typeof value === 'string' ? [value] : (value ?? []);
  return lines
    .flatMap((line) => line.split(','))
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

const MAX_ETAG_CHARACTERS = 512;

/** The ETag if it is strong, so that equal tags mean equal bytes; else null. */
export function strongEtag(etag: string | null): string | null {
  return etag !== null && etag.length <= MAX_ETAG_CHARACTERS && /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : null;
}

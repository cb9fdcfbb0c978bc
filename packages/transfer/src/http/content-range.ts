/** Which bytes of a file a response has. */
export interface ContentRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly total: number | null;
}

const maxCharacters = 128;
const FORM = /^(?:bytes)?\s*[=:]?\s*(\d{1,15})\s*-\s*(\d{1,15})?\s*(?:\/\s*(\d{1,15}|\*)?)?$/i;

/**
 * Reads a `Content-Range` as it is meant; null if no range of bytes can be meant. Seen beside `bytes 0-9/10`: another case or spacing, `=`
 * after the unit, no unit, no total, no last byte, and an exclusive last byte, which shows where it equals the total.
 * @param size of the file where the header does not say; null if unknown
 */
export function parseContentRange(value: string | null, size: number | null): ContentRange | null {
  const text = value?.trim() ?? '';
  const match = text.length > maxCharacters ? null : FORM.exec(text);
  if (match === null) return null;
  const [, first = '', last, complete] = match;
  const total = complete === undefined || complete === '*' ? null : Number(complete);
  const whole = total ?? size;
  const start = Number(first);
  const end = last === undefined ? whole : Number(last) === whole ? whole : Number(last) + 1;
  if (end === null || end <= start || (whole !== null && end > whole)) return null;
  return { start, end, total };
}

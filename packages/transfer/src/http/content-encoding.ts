import { type ResponseHeaders, valuesOf } from '@rbee/http';

/** The encodings that change bytes. Others are stored metadata, such as `aws-chunked`, `utf-8` or `none`. */
const PACKERS: ReadonlyMap<string, RegExp> = new Map([
  ['gzip', /\.t?gz$/i],
  ['x-gzip', /\.t?gz$/i],
  ['deflate', /\.zz?$/i],
  ['compress', /\.t?z$/i],
  ['x-compress', /\.t?z$/i],
  ['br', /\.br$/i],
  ['zstd', /\.t?zst$/i],
  ['dcb', /\.dcb$/i],
  ['dcz', /\.dcz$/i],
]);

/**
 * The encoding that keeps a body from being taken as the file's bytes; null if there is none. Nobody requested one, so it is mostly stored
 * beside the file: a packed file (`model.tar.gz`) is then labelled with the way it is packed.
 */
export function packingOf(headers: ResponseHeaders, name: string): string | null {
  const packers = valuesOf(headers, 'content-encoding').filter((token) => PACKERS.has(token.toLowerCase()));
  const [only, ...more] = packers;
  if (only === undefined) return null;
  const isOfFile = more.length === 0 && PACKERS.get(only.toLowerCase())?.test(name) === true;
  return isOfFile ? null : packers.join(', ');
}

/** How a body is packed on its way alone (`Transfer-Encoding: gzip, chunked`); null if it is not. Nobody requests that, and only the chunks are undone. */
export function wayPackingOf(headers: ResponseHeaders): string | null {
  const packers = valuesOf(headers, 'transfer-encoding').filter((token) => PACKERS.has(token.toLowerCase()));
  return packers.length === 0 ? null : packers.join(', ');
}

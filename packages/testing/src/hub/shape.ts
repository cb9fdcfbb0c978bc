/**
 * How a hub answers. `TODAY` is huggingface.co as it was recorded in autumn 2026; the other values are its older forms and what mirrors
 * and private hubs do.
 */
export interface HubShape {
  /**
   * A small file: `linked` is a 307 to `resolve-cache` that names the ETag but not the size, `bare` one that names neither (spring
   * 2026), `direct` is 200 with the file (mirrors).
   */
  readonly smallFiles: 'linked' | 'bare' | 'direct';
  /** An LFS file: a redirect to the CDN, a HEAD that answers 200 and a GET that redirects, or 200 with the bytes (private hubs). */
  readonly largeFiles: 'redirect' | 'head_direct' | 'direct';
  /** Whether LFS files are Xet's: more headers, `xetHash` in listings, and an ETag of the CDN that looks like a sha256 and is not. */
  readonly xet: boolean;
  /** `RateLimit` and `RateLimit-Policy`, with so many requests left. */
  readonly rateLimit: { readonly remaining: number } | null;
  /**
   * `Link` of a page: alone, behind another value in the same header, in a header of its own behind another, with another parameter
   * first, without quotes, relative, the relation in another case, several relations, or lost on the way.
   */
  readonly links:
    | 'alone'
    | 'joined'
    | 'repeated'
    | 'parameter_first'
    | 'bare'
    | 'relative'
    | 'upper'
    | 'several'
    | 'lost';
  /** `X-Total-Count` of a page: the rows on all pages. */
  readonly totals: boolean;
  /** Origin that the next page of a tree is said to be at; null is the hub's own. */
  readonly nextPageOrigin: string | null;
  /** Where there is no tree, the files of a revision are its siblings. */
  readonly tree: 'pages' | 'none';
  /** `GET /api/models`: as today, without fields that `expand` can name (400 for each), or not at all (404). */
  readonly search: 'expand' | 'plain' | 'none';
  /** Folder rows of a tree: with an object id or without. */
  readonly folders: 'with_oid' | 'without_oid';
  /** What HEAD of a file that comes with 200 says of its length; a number is a status that HEAD answers with, whatever GET does. */
  readonly heads: 'length' | 'no_length' | 'zero' | number;
  /** `Location` percent-encoded, or as the bytes of its UTF-8. */
  readonly locations: 'encoded' | 'utf8';
  /** Path in front of every route, also in relative redirects. */
  readonly prefix: string;
  /** The CDN answers 400 to a GET without a Range for files above this many bytes. */
  readonly wholeUpTo: number;
  /** An `Authorization` beside a signed address: refused with 400, as object stores do, or ignored. */
  readonly cdnAuthorization: 'refused' | 'ignored';
  /** Redirects files, the API or both to this origin with 308. */
  readonly mirrors: { readonly origin: string; readonly what: 'files' | 'api' | 'both' } | null;
  /** JSON and cached files in gzip where the client accepts it; `always` whether or not it does. */
  readonly gzip: 'accepted' | 'always' | 'never';
}

/** The limit above which a CDN refuses a whole file has moved between 50 and 200 GB. */
const WHOLE_UP_TO_BYTES = 50e9;

export const TODAY: HubShape = {
  smallFiles: 'linked',
  largeFiles: 'redirect',
  xet: true,
  rateLimit: { remaining: 2_999 },
  links: 'alone',
  totals: false,
  nextPageOrigin: null,
  tree: 'pages',
  search: 'expand',
  folders: 'with_oid',
  heads: 'length',
  locations: 'encoded',
  prefix: '',
  wholeUpTo: WHOLE_UP_TO_BYTES,
  cdnAuthorization: 'refused',
  mirrors: null,
  gzip: 'accepted',
};

import { createHmac, randomBytes } from 'node:crypto';
import { dispositionOf } from './reply.ts';

export interface UrlSigner {
  /** Path and query of a URL that is valid until `expiresAtMs`, rounded to seconds as on the real CDN. */
  sign(path: string, fileName: string, expiresAtMs: number): string;
  /** The problem with a URL; null when it is valid. */
  check(url: URL, nowMs: number): 'unsigned' | 'bad_signature' | 'expired' | null;
  /** Expires every URL signed so far. */
  expireAll(): void;
}

const KEY_PAIR_ID = 'KRBEETESTHUB01';

export function createUrlSigner(): UrlSigner {
  const secret = randomBytes(32);
  let generation = 0;

  const signature = (of: number, path: string, disposition: string, expires: string): string =>
    createHmac('sha256', secret).update([of, path, disposition, expires].join('\n')).digest('base64url');

  return {
    sign(path, fileName, expiresAtMs) {
      const expires = String(Math.floor(expiresAtMs / 1000));
      const disposition = dispositionOf(fileName);
      const query = new URLSearchParams({
        'response-content-disposition': disposition,
        Expires: expires,
        Signature: `${generation}~${signature(generation, path, disposition, expires)}`,
        'Key-Pair-Id': KEY_PAIR_ID,
      });
      return `${path}?${query}`;
    },
    check(url, nowMs) {
      const expires = url.searchParams.get('Expires');
      const given = /^(\d+)~(.+)$/.exec(url.searchParams.get('Signature') ?? '');
      if (expires === null || given === null) return 'unsigned';
      const [, of = '', digest = ''] = given;
      const disposition = url.searchParams.get('response-content-disposition') ?? '';
      if (digest !== signature(Number(of), url.pathname, disposition, expires)) return 'bad_signature';
      if (url.searchParams.get('Key-Pair-Id') !== KEY_PAIR_ID) return 'bad_signature';
      return Number(of) < generation || nowMs >= Number(expires) * 1000 ? 'expired' : null;
    },
    expireAll() {
      generation += 1;
    },
  };
}

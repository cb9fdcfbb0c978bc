import { createHash } from 'node:crypto';

/** A secret as logs may show it: the first 6 hex digits of its SHA-256. */
export function fingerprint(secret: string): string {
  return digest(secret).toString('hex').slice(0, 6);
}

/** The SHA-256 of a secret: always 32 bytes, so that two can be compared in constant time. */
export function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

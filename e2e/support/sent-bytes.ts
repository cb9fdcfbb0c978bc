import type { TestHub } from '@rbee/testing';

/** Bytes of bodies that the hub's CDN has sent so far. */
export function sentByCdn({ requests }: TestHub): number {
  return requests
    .filter(({ server, method }) => server === 'cdn' && method === 'GET')
    .reduce((sum, { bytesSent }) => sum + bytesSent, 0);
}

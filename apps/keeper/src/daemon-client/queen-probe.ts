import type { QueenSettings } from '../settings.ts';
import { exchange } from './exchange.ts';

/** A queen on this machine responds immediately; without a response by then there is none. */
const PROBE_TIMEOUT_MS = 1_500;

/** Whether a queen responds at the address of the settings. Never rejects. */
export function isQueenThere(settings: QueenSettings): Promise<boolean> {
  const request = { method: 'GET', path: '/health', signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) } as const;
  return exchange({ ...settings, daemon: 'queen' }, request).then(
    ({ status, body }) => status === 200 && typeof body === 'object' && body !== null && 'status' in body,
    () => false,
  );
}

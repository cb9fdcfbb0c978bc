import { KeeperError } from '../errors/keeper-error.ts';
import type { QueenSettings } from '../settings.ts';
import { type DaemonAddress, exchange } from './exchange.ts';

/** A queen on this machine responds immediately; without a response by then there is none. */
const PROBE_TIMEOUT_MS = 1_500;
/** The same for one of several queens, which may be far away. */
const CHOICE_TIMEOUT_MS = 5_000;

/** Whether a queen responds at an address. Never rejects. */
export function isQueenThere(at: DaemonAddress, timeoutMs = PROBE_TIMEOUT_MS): Promise<boolean> {
  const request = { method: 'GET', path: '/health', signal: AbortSignal.timeout(timeoutMs) } as const;
  return exchange({ ...at, daemon: 'queen' }, request).then(
    ({ status, body }) => status === 200 && typeof body === 'object' && body !== null && 'status' in body,
    () => false,
  );
}

/**
 * The first queen of the settings that responds. A single one is not asked: its own error says more.
 * @throws KeeperError QUEEN_UNREACHABLE if none of several responds
 */
export async function chooseQueen({ urls, token }: QueenSettings): Promise<DaemonAddress> {
  if (urls.length === 1) return { url: urls[0], token };
  const asked = urls.map((url) => ({ url, isThere: isQueenThere({ url, token: null }, CHOICE_TIMEOUT_MS) }));
  for (const { url, isThere } of asked) if (await isThere) return { url, token };
  throw new KeeperError('QUEEN_UNREACHABLE', `no queen responds at ${urls.join(', ')}`, {
    hint: 'check the addresses, and that one of these queens is running',
  });
}

import { type TlsProblem, tlsProblemOf } from '@rbee/contract';
import { KeeperError } from '../errors/keeper-error.ts';

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection closed',
  ENOTFOUND: 'unknown host name',
  EAI_AGAIN: 'host name lookup failed',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ECONNABORTED: 'connection closed',
  ETIMEDOUT: 'no connection within 5 s',
  HPE_INVALID_CONSTANT: 'the response is not HTTP',
};

/** The error for a daemon that does not respond: its address, the reason, and what to do. */
export function unreachable(
  at: { readonly daemon: 'queen' | 'hive'; readonly url: string },
  reason: unknown,
): KeeperError {
  const tls = tlsProblemIn(reason);
  if (tls !== null) {
    const message = `no secure connection to the ${at.daemon} at ${at.url}: ${tls.what}`;
    return new KeeperError('QUEEN_UNREACHABLE', message, { hint: tls.hint, cause: reason });
  }
  const text = typeof reason === 'string' ? reason : reasonOf(reason);
  return new KeeperError('QUEEN_UNREACHABLE', `no ${at.daemon} responds at ${at.url} (${text})`, {
    hint: isCutBeforeAnswer(reason, at.url)
      ? 'if it uses TLS, the address starts with https://'
      : 'start one with "rbee-keeper up", or name another with --queen or RBEE_QUEEN_URL',
    cause: reason,
  });
}

/** The error for a stream that could not be reconnected. */
export function connectionLost(url: string, cause: unknown): KeeperError {
  return new KeeperError('QUEEN_UNREACHABLE', `lost the connection to the queen at ${url} and could not reconnect`, {
    hint: 'downloads may continue: check "rbee-keeper download list" when the queen is back',
    cause,
  });
}

function reasonOf(error: unknown): string {
  for (const code of codesOf(error)) {
    const known = REASONS[code];
    if (known !== undefined) return known;
  }
  return error instanceof Error ? error.message : String(error);
}

function tlsProblemIn(error: unknown): TlsProblem | null {
  for (const code of codesOf(error)) {
    const problem = tlsProblemOf(code);
    if (problem !== null) return problem;
  }
  return null;
}

/** A TLS server hangs up on a plain HTTP request. */
function isCutBeforeAnswer(error: unknown, url: string): boolean {
  return url.startsWith('http:') && codesOf(error).includes('ECONNRESET');
}

/** The codes of an error and its causes, outermost first. */
function codesOf(error: unknown): string[] {
  const codes: string[] = [];
  const seen = new Set<unknown>();
  for (let at = error; at instanceof Error && !seen.has(at); at = at.cause) {
    seen.add(at);
    if ('code' in at && typeof at.code === 'string') codes.push(at.code);
    // A host with several addresses fails with one error per address; the first one is enough.
    if (at instanceof AggregateError && at.errors.length > 0) codes.push(...codesOf(at.errors[0]));
  }
  return codes;
}

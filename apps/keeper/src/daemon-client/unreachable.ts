import { type TlsProblem, tlsProblemOf } from '@rbee/contract';
import { KeeperError } from '../errors/keeper-error.ts';

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name cannot be looked up',
  EHOSTUNREACH: 'there is no route to the host',
  ENETUNREACH: 'there is no route to its network',
  ECONNABORTED: 'the connection was closed',
  ETIMEDOUT: 'no connection within 5 s',
  HPE_INVALID_CONSTANT: 'what answers does not speak HTTP',
};

/** The error for a daemon that cannot be asked: where it should be, why, and how to get one. */
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
  return new KeeperError('QUEEN_UNREACHABLE', `no ${at.daemon} answers at ${at.url} (${text})`, {
    hint: isCutBeforeAnswer(reason, at.url)
      ? 'where it speaks TLS, its address begins with https://'
      : 'start one with "rbee-keeper up", or name another with --queen or RBEE_QUEEN_URL',
    cause: reason,
  });
}

/** The error for a stream whose connection did not come back. */
export function connectionLost(url: string, cause: unknown): KeeperError {
  return new KeeperError('QUEEN_UNREACHABLE', `the connection to the queen at ${url} was lost and did not come back`, {
    hint: 'what was under way may go on: see "rbee-keeper download list" once the queen answers again',
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

/** What a server of TLS does with a request that is not: it hangs up. */
function isCutBeforeAnswer(error: unknown, url: string): boolean {
  return url.startsWith('http:') && codesOf(error).includes('ECONNRESET');
}

/** The codes of an error and of what caused it, the outermost first. */
function codesOf(error: unknown): string[] {
  const codes: string[] = [];
  const seen = new Set<unknown>();
  for (let at = error; at instanceof Error && !seen.has(at); at = at.cause) {
    seen.add(at);
    if ('code' in at && typeof at.code === 'string') codes.push(at.code);
    // A host with several addresses fails with one error for each: the first says enough.
    if (at instanceof AggregateError && at.errors.length > 0) codes.push(...codesOf(at.errors[0]));
  }
  return codes;
}

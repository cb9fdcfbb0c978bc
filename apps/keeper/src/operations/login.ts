import { RbeeError } from '@rbee/contract';
import { createListClient } from '../daemon-client/list-client.ts';
import { usageError } from '../errors/keeper-error.ts';
import { readKeeperFile } from '../keeper-file/keeper-file.ts';
import type { KeeperFile } from '../keeper-file/kept-queens.ts';
import { isQueenName, plainUrl, urlProblem } from '../keeper-file/queen-address.ts';
import { saveQueen } from '../keeper-file/save-queen.ts';
import { type Asking, asking } from './confirm.ts';
import { readSecret } from './read-secret.ts';

type Terminal = Pick<Asking, 'io' | 'renderer'>;

export interface LoginRequest {
  readonly url: string;
  /** Undefined for one that follows from the address. */
  readonly name: string | undefined;
  /** Undefined if the user has to be asked, where the queen needs one. */
  readonly token: string | undefined;
}

export interface Login {
  readonly name: string;
  readonly queen_url: string;
  /** The keeper's file. */
  readonly file: string;
  readonly has_token: boolean;
  readonly lostComments: boolean;
}

/**
 * Stores a queen in the keeper's file, once it has accepted the token.
 * @throws KeeperError USAGE, QUEEN_UNREACHABLE; RbeeError API_KEY_INVALID; the interrupt's reason
 */
export async function login({ io, renderer }: Terminal, request: LoginRequest): Promise<Login> {
  const problem = urlProblem(request.url);
  if (problem !== null) throw usageError(`"${request.url}" ${problem.what}`, problem.hint);
  const url = plainUrl(request.url);
  const file = await readKeeperFile(io.env);
  const name = request.name ?? nameFor(url, file);
  if (!isQueenName(name)) throw usageError(`"${name}" cannot be the name of a queen`, 'use letters, digits and "-"');
  const token = await acceptedToken({ io, renderer }, url, request.token);
  const { lostComments } = await saveQueen(file.path, name, { url, token });
  return { name, queen_url: url, file: file.path, has_token: token !== null, lostComments };
}

/** A token that the queen accepts; null if it needs none. */
async function acceptedToken(
  { io, renderer }: Terminal,
  url: string,
  given: string | undefined,
): Promise<string | null> {
  const check = (token: string | null) => createListClient({ url, token }).info(io.interrupt);
  if (given === undefined) {
    try {
      await check(null);
      return null;
    } catch (error) {
      if (!(error instanceof RbeeError) || error.exitCode !== UNAUTHORISED) throw error;
    }
  }
  const token = given ?? (await asking(renderer, () => readSecret(io, `Token of the queen at ${url}: `)));
  if (token === '' || /[^\u0021-\u007e]/.test(token)) {
    throw new RbeeError('API_KEY_MISSING', `the queen at ${url} needs a token`, {
      hint: 'type it at the prompt, send it on stdin, or use --token',
    });
  }
  await check(token);
  return token;
}

const UNAUTHORISED = 4;

/** The name that the file has for the address, or else the first part of its host's name. */
function nameFor(url: string, { queens }: KeeperFile): string {
  const known = [...queens].find(([, queen]) => queen.url === url)?.[0];
  if (known !== undefined) return known;
  const { hostname } = new URL(url);
  const isAddress = /^[\d.]+$|^\[/.test(hostname);
  const name = /^(?:127\.|localhost$|\[::1\])/.test(hostname) ? 'local' : isAddress ? hostname : hostname.split('.')[0];
  const wanted = (name ?? '').replaceAll(/[^A-Za-z0-9.-]+/g, '-').replaceAll(/^-+|-+$/g, '');
  if (!queens.has(wanted)) return wanted;
  throw usageError(`the name "${wanted}" belongs to another queen`, 'choose one with --name');
}

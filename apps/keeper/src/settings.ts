import { didYouMean } from './did-you-mean.ts';
import { usageError } from './errors/keeper-error.ts';
import { readKeeperFile } from './keeper-file/keeper-file.ts';
import type { KeeperFile } from './keeper-file/kept-queens.ts';
import { DEFAULT_QUEEN_URL, isQueenName, plainUrl, urlProblem } from './keeper-file/queen-address.ts';

/** Options that every command takes. */
export interface GlobalOptions {
  readonly queen?: string;
  readonly token?: string;
  readonly json?: boolean;
  readonly output?: OutputFormat;
  readonly quiet?: boolean;
  readonly yes?: boolean;
}

/** `wide` shortens nothing; `json` is what `--json` prints. */
export const OUTPUT_FORMATS = ['table', 'wide', 'json'] as const;
type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export const isJson = ({ json, output }: Pick<GlobalOptions, 'json' | 'output'>): boolean =>
  json === true || output === 'json';

export interface QueenSettings {
  /** Addresses of queens of one fleet, without a trailing slash; the first that responds is used. */
  readonly urls: readonly [string, ...string[]];
  readonly token: string | null;
  /** Whether the user named this queen; otherwise it is the default address. */
  readonly named: boolean;
  /** The keeper's file, if other users of this machine can read a token in it. */
  readonly exposedFile: string | null;
}

/**
 * The queen's addresses and token: from a flag, the environment, the keeper's file, or the default port of this machine.
 * @throws KeeperError USAGE if a name is unknown, an address is not an http(s) URL, or the file is wrong
 */
export async function queenSettings(options: GlobalOptions, env: NodeJS.ProcessEnv): Promise<QueenSettings> {
  const file = await readKeeperFile(env);
  const { text, where } = writtenQueen(options, env, file);
  const token = (kept: string | null) => checkedToken(options.token ?? kept ?? env.RBEE_API_TOKEN ?? '');
  const exposedFile = file.isExposed ? file.path : null;
  if (text === null) return { urls: [DEFAULT_QUEEN_URL], token: token(null), named: false, exposedFile };
  if (isQueenName(text)) {
    const queen = file.queens.get(text);
    if (queen === undefined) throw unknownName(text, where, file);
    return { urls: [queen.url], token: token(queen.token), named: true, exposedFile };
  }
  const [first, ...others] = text.split(',').map((url) => checkedUrl(url.trim(), where));
  const urls = [first ?? DEFAULT_QUEEN_URL, ...others] as const;
  // A token of the environment was set for the address beside it.
  const kept = env.RBEE_API_TOKEN ? null : [...file.queens.values()].find(({ url }) => urls.includes(url));
  return { urls, token: token(kept?.token ?? null), named: true, exposedFile };
}

function writtenQueen({ queen }: GlobalOptions, env: NodeJS.ProcessEnv, file: KeeperFile) {
  if (queen !== undefined) return { text: queen, where: '--queen' };
  if (env.RBEE_QUEEN_URL) return { text: env.RBEE_QUEEN_URL, where: 'RBEE_QUEEN_URL' };
  return { text: file.defaultName, where: file.path };
}

function checkedToken(token: string): string | null {
  if (/[\u0000-\u0020\u007f-\uffff]/.test(token)) {
    throw usageError(
      'the token contains characters that are not allowed in a header',
      'check --token or RBEE_API_TOKEN',
    );
  }
  return token === '' ? null : token;
}

function checkedUrl(text: string, where: string): string {
  const problem = urlProblem(text);
  if (problem !== null) throw usageError(`${where} ${problem.what}`, problem.hint);
  return plainUrl(text);
}

function unknownName(name: string, where: string, { queens, path }: KeeperFile): Error {
  const known = [...queens.keys()];
  const names = known.length === 0 ? `${path} names no queens` : `${path} has ${known.join(', ')}`;
  const hint = `${didYouMean(name, known)}${names}; store one with "rbee-keeper login", or write ${DEFAULT_QUEEN_URL}`;
  return usageError(`${where} names the queen "${name}", which is unknown`, hint);
}

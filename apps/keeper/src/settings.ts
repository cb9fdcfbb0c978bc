import { usageError } from './errors/keeper-error.ts';

export const DEFAULT_QUEEN_URL = 'http://127.0.0.1:7833';

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
  /** Without a trailing slash. */
  readonly url: string;
  readonly token: string | null;
  /** Whether the user named this queen; otherwise it is the default address. */
  readonly named: boolean;
}

/**
 * The queen's address and token: from a flag, the environment, or the default port of this machine.
 * @throws KeeperError USAGE if the address is not an http(s) URL
 */
export function queenSettings(options: GlobalOptions, env: NodeJS.ProcessEnv): QueenSettings {
  const fromEnv = env.RBEE_QUEEN_URL === '' ? undefined : env.RBEE_QUEEN_URL;
  const named = options.queen ?? fromEnv;
  const token = options.token ?? env.RBEE_API_TOKEN ?? '';
  if (/[\u0000-\u0020\u007f-\uffff]/.test(token)) {
    throw usageError(
      'the token contains characters that are not allowed in a header',
      'check --token or RBEE_API_TOKEN',
    );
  }
  return {
    url: named === undefined ? DEFAULT_QUEEN_URL : checkedUrl(named, options.queen === undefined),
    token: token === '' ? null : token,
    named: named !== undefined,
  };
}

function checkedUrl(text: string, fromEnv: boolean): string {
  const where = fromEnv ? 'RBEE_QUEEN_URL' : '--queen';
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw usageError(`${where} is not the URL of a queen`, `write it like ${DEFAULT_QUEEN_URL}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw usageError(`${where} contains credentials`, 'set the token with --token or RBEE_API_TOKEN');
  }
  return url.href.replace(/\/+$/, '');
}

import { parseNoProxy } from './no-proxy.ts';
import { type ProxyServer, parseProxy } from './proxy.ts';

type ProxyEnv = Readonly<Record<string, string | undefined>>;

/** The proxies of the environment. */
export interface Proxies {
  /** The proxy for a URL; null where there is none, or NO_PROXY excludes it. */
  of(url: URL): ProxyServer | null;
  /** Whether there is a proxy for the URL's scheme and NO_PROXY excludes the URL. */
  isExcluded(url: URL): boolean;
}

/** Every request goes straight to its server. */
export const NO_PROXIES: Proxies = { of: () => null, isExcluded: () => false };

/** In lower case first, as curl reads them; an empty one counts as missing. */
const FOR_HTTPS = ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY', 'http_proxy', 'HTTP_PROXY'];
const FOR_HTTP = ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'];
const EXCEPTIONS = ['no_proxy', 'NO_PROXY'];
const PROXY_FORM = 'write http://user:password@host:port, with https, socks5 or socks5h in place of http if it is one';

/**
 * Reads HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in either case. What cannot be used is passed to `onProblem` in
 * words that name the variable and repeat nothing of its value, and counts as missing.
 */
export function readProxies(env: ProxyEnv, onProblem: (problem: string) => void): Proxies {
  const read = <T>(names: readonly string[], parse: (text: string, name: string) => T, form: string): T | null => {
    const name = names.find((each) => (env[each] ?? '').trim() !== '');
    if (name === undefined) return null;
    try {
      return parse((env[name] ?? '').trim(), name);
    } catch (error) {
      onProblem(`${name} ${(error as Error).message}; ${form}`);
      return null;
    }
  };
  const https = read(FOR_HTTPS, parseProxy, PROXY_FORM);
  const http = read(FOR_HTTP, parseProxy, PROXY_FORM);
  const isException = read(EXCEPTIONS, parseNoProxy, 'write names, addresses and networks, as in 10.0.0.0/8');
  const forScheme = ({ protocol }: URL) => (protocol === 'https:' ? https : http);
  return {
    of: (url) => (isException?.(url) ? null : forScheme(url)),
    isExcluded: (url) => forScheme(url) !== null && (isException?.(url) ?? false),
  };
}

/** The route from the hive to its hub. */
export interface HubRoute {
  readonly hub: URL;
  /** The proxy of the environment; null where there is none, or NO_PROXY excludes the hub. */
  readonly proxy: URL | null;
  /** Whether there is a proxy and NO_PROXY excludes the hub. */
  readonly isExcluded: boolean;
}

type ProxyEnv = Readonly<Record<string, string | undefined>>;

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** The route of the sources' dispatcher: undici's `EnvHttpProxyAgent` reads the same variables in the same order. */
export function routeTo(hub: URL, env: ProxyEnv): HubRoute {
  const forHttp = env['http_proxy'] ?? env['HTTP_PROXY'];
  const forHttps = env['https_proxy'] ?? env['HTTPS_PROXY'];
  const named = hub.protocol === 'https:' ? forHttps || forHttp : forHttp;
  if (!named) return { hub, proxy: null, isExcluded: false };
  const isExcluded = isInNoProxy(hub, env['no_proxy'] ?? env['NO_PROXY'] ?? '');
  return { hub, proxy: isExcluded ? null : new URL(named), isExcluded };
}

/** The port of a URL, its scheme's default included. */
export function portOf(url: URL): number {
  return Number(url.port) || (DEFAULT_PORTS[url.protocol] ?? 0);
}

/** The host of a URL as sockets expect it: an IPv6 address without brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

function isInNoProxy(hub: URL, exceptions: string): boolean {
  const host = hostOf(hub).toLowerCase().replace(/\.$/, '');
  return exceptions.split(/[,\s]+/).some((entry) => {
    const { name, isWildcard, port } = exceptionOf(entry);
    if (name === '' || (port !== null && port !== portOf(hub))) return false;
    return name === '*' || host.endsWith(`.${name}`) || (!isWildcard && host === name);
  });
}

/** `example.com`, `.example.com`, `*.example.com`, `example.com:8443`, `[::1]:443`, `::1`, `*`. */
function exceptionOf(entry: string) {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [
    undefined,
    undefined,
    entry,
  ];
  const name = (bracketed ?? plain ?? '').toLowerCase().replace(/\.$/, '');
  const isWildcard = name.startsWith('*.');
  return {
    name: name === '*' ? name : name.replace(/^\*?\./, ''),
    isWildcard,
    port: port === undefined ? null : Number(port),
  };
}

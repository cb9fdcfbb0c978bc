import { isIP } from 'node:net';

/** Where a proxy is and how it is spoken to. */
export interface ProxyServer {
  readonly protocol: ProxyProtocol;
  /** A name or an address; an IPv6 address without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** Null where the variable names no user. */
  readonly credentials: { readonly user: string; readonly password: string } | null;
  /** The variable that names it. */
  readonly variable: string;
}

/** With `socks5h:` the proxy resolves names, with `socks5:` the hive does. */
type ProxyProtocol = 'http:' | 'https:' | 'socks5:' | 'socks5h:';

const DEFAULT_PORTS: Readonly<Record<ProxyProtocol, number>> = {
  'http:': 80,
  'https:': 443,
  'socks5:': 1080,
  'socks5h:': 1080,
};
const PROTOCOLS: Readonly<Record<string, ProxyProtocol>> = {
  http: 'http:',
  https: 'https:',
  socks: 'socks5h:',
  socks5: 'socks5:',
  socks5h: 'socks5h:',
};
const MAX_PORT = 65_535;
const MAX_CREDENTIAL_BYTES = 255;

/**
 * Reads a proxy as curl takes it: `[scheme://][user[:password]@]host[:port][/]`, http where there is no scheme, and a
 * raw "%" or "@" in the password. Everything up to the last "@" is user and password.
 * @throws Error with a phrase that repeats nothing of the text, which may hold a password
 */
export function parseProxy(text: string, variable: string): ProxyServer {
  if (/[^\x21-\x7e]/.test(text)) throw new Error('has spaces or characters that are not ASCII');
  const [, scheme = 'http', rest = ''] = /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/)?(.*)$/s.exec(text) ?? [];
  const protocol = Object.hasOwn(PROTOCOLS, scheme.toLowerCase()) ? PROTOCOLS[scheme.toLowerCase()] : undefined;
  if (protocol === undefined) throw new Error('has a scheme that is not http, https, socks5 or socks5h');
  const at = rest.lastIndexOf('@');
  const credentials = at < 0 ? null : credentialsOf(rest.slice(0, at));
  if (protocol.startsWith('socks') && credentials !== null) assertSocksCredentials(credentials);
  const [, bracketed, name, digits] =
    /^(?:\[([^\]]*)\]|([^:/?#[\]]*))(?::(\d{0,9}))?(?:[/?#].*)?$/s.exec(rest.slice(at + 1)) ?? [];
  const hostname = bracketed ?? name ?? '';
  if (bracketed === undefined ? !isHostName(hostname) : isIP(bracketed) !== 6 || bracketed.includes('%'))
    throw new Error('names no host');
  const port = digits === undefined || digits === '' ? DEFAULT_PORTS[protocol] : Number(digits);
  if (port < 1 || port > MAX_PORT) throw new Error('has a port that is not between 1 and 65535');
  return { protocol, hostname, port, credentials, variable };
}

/** For messages: no credentials. */
export function hostOfProxy({ hostname, port }: ProxyServer): string {
  return `${isIP(hostname) === 6 ? `[${hostname}]` : hostname}:${port}`;
}

export const isSocks = ({ protocol }: ProxyServer): boolean => protocol.startsWith('socks');

/** The origin of an HTTP proxy, as a URL has it. */
export function originOfProxy(proxy: ProxyServer): string {
  return new URL(`${proxy.protocol}//${hostOfProxy(proxy)}`).origin;
}

/** The headers that authorise a request at the proxy; none without a user. */
export function authorizationOf({ credentials }: ProxyServer): Record<string, string> {
  if (credentials === null) return {};
  const text = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64');
  return { 'proxy-authorization': `Basic ${text}` };
}

function credentialsOf(text: string): ProxyServer['credentials'] {
  const colon = text.indexOf(':');
  const user = decoded(colon < 0 ? text : text.slice(0, colon));
  const password = colon < 0 ? '' : decoded(text.slice(colon + 1));
  return user === '' && password === '' ? null : { user, password };
}

/** Only what is percent-encoding is decoded: a raw "%" is part of many passwords. */
function decoded(text: string): string {
  const bytes = text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString();
}

function assertSocksCredentials({ user, password }: NonNullable<ProxyServer['credentials']>): void {
  const isTooLong = [user, password].some((part) => Buffer.byteLength(part) > MAX_CREDENTIAL_BYTES);
  if (isTooLong) throw new Error(`has a user or password of more than ${MAX_CREDENTIAL_BYTES} bytes`);
}

function isHostName(text: string): boolean {
  return /^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_.-])?$/.test(text) && URL.canParse(`http://${text}`);
}

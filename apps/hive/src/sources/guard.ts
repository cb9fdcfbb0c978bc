import { type LookupAddress, lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { RbeeError } from '@rbee/contract';
import type { ReadPool } from '@rbee/transfer';
import { buildConnector, type Dispatcher, EnvHttpProxyAgent } from 'undici';

const CONNECT_TIMEOUT_MS = 10_000;

// What is not on the public Internet: IANA's special-purpose registries, the metadata address of clouds among them.
const NOT_PUBLIC = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits, 'ipv4');
}
for (const [network, bits] of [
  // IPv4 addresses in IPv6 clothes: compatible ones, those of NAT64, Teredo and 6to4.
  ['::', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2001::', 32],
  ['2002::', 16],
  ['100::', 64],
  ['2001:db8::', 32],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits, 'ipv6');
}

export interface GuardOptions {
  /** The hub's own origin, and the registry's, are exempt: whoever set them up meant them. What they redirect to is not. */
  readonly exemptOrigins: ReadonlySet<string>;
  readonly allowPrivate: boolean;
  /** How sockets read: see `ReadPool`. */
  readonly reads?: ReadPool['reads'];
}

/**
 * The dispatcher for every request to a source: through the proxy of the environment where there is one, over HTTP/1.1
 * (HTTP/2 halves the speed of bodies), and only to public addresses. An address in a URL is checked before anything is
 * sent, also where a proxy would connect; one that a name stands for when connecting, after DNS.
 */
export function createSourceDispatcher(options: GuardOptions): Dispatcher {
  const { allowPrivate, exemptOrigins, reads } = options;
  const sockets = { ...reads, timeout: CONNECT_TIMEOUT_MS, allowH2: false };
  const open = buildConnector(sockets);
  const guarded = buildConnector({ ...sockets, lookup: publicLookup } as never);
  const isOpen = (origin: string) => allowPrivate || exemptOrigins.has(origin);
  const connect: buildConnector.connector = (target, callback) => {
    if (isOpen(originOf(target))) return open(target, callback);
    if (isPrivateHost(target.hostname)) return void callback(notPublic(target.hostname), null);
    return guarded(target, callback);
  };
  const agent = new EnvHttpProxyAgent({ connect, allowH2: false });
  return agent.compose((dispatch) => (request, handler) => {
    const url = new URL(String(request.origin));
    if (!isOpen(url.origin) && isPrivateHost(url.hostname)) throw notPublic(url.hostname);
    return dispatch(request, handler);
  });
}

/** A host that is an address and not a public one, or that never is. */
function isPrivateHost(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0) return !isPublic(bare);
  return /(?:^|\.)localhost\.?$/i.test(bare);
}

/** Whether an address, of either family, is on the public Internet. */
export function isPublic(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return isPublic(mapped);
  return !NOT_PUBLIC.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function originOf(target: buildConnector.Options): string {
  const { protocol, hostname, port } = target;
  return new URL(`${protocol}//${hostname}${port ? `:${port}` : ''}`).origin;
}

const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error) return callback(error, '', 0);
    const refused = addresses.find(({ address }) => !isPublic(address));
    if (refused) return callback(notPublic(hostname), '', 0);
    const [first] = addresses;
    if (options.all) return callback(null, addresses);
    return callback(null, first?.address ?? '', first?.family ?? 0);
  });
};

function notPublic(host: string): RbeeError {
  return new RbeeError('SOURCE_NOT_ALLOWED', `${host} is not a public address`, {
    hint: 'a hive on a private network allows it with RBEE_HIVE_ALLOW_PRIVATE_SOURCES=true',
  });
}

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
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits, 'ipv4');
}
for (const [network, bits] of [
  ['::', 127],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits, 'ipv6');
}

export interface GuardOptions {
  /** The hub's own origin is exempt: whoever set it up meant it. What it redirects to is not. */
  readonly exemptOrigin: string;
  readonly allowPrivate: boolean;
  /** How sockets read: see `ReadPool`. */
  readonly reads?: ReadPool['reads'];
}

/**
 * The dispatcher for every request to a source: through the proxy of the environment where there is one, over HTTP/1.1
 * (HTTP/2 halves the speed of bodies), and only to public addresses. The address is checked when connecting, after DNS.
 */
export function createSourceDispatcher(options: GuardOptions): Dispatcher {
  const open = buildConnector({ ...options.reads, timeout: CONNECT_TIMEOUT_MS, allowH2: false });
  const guarded = buildConnector({
    ...options.reads,
    timeout: CONNECT_TIMEOUT_MS,
    allowH2: false,
    lookup: publicLookup,
  } as never);
  const connect: buildConnector.connector = (target, callback) => {
    if (options.allowPrivate || originOf(target) === options.exemptOrigin) return open(target, callback);
    const bare = target.hostname.replace(/^\[|\]$/g, '');
    if (isIP(bare) !== 0 && !isPublic(bare)) return void callback(notPublic(bare), null);
    return guarded(target, callback);
  };
  return new EnvHttpProxyAgent({ connect, allowH2: false });
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

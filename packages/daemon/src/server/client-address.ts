import { isIPv6 } from 'node:net';
import { isLoopback } from './access.ts';

const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
/** A home or a rented machine usually has a /64 network, so one client can use any number of addresses in it. */
const NETWORK_GROUPS = 4;
const GROUPS = 8;

/**
 * The key of a client for limits by address: an IPv4 address or an IPv6 /64 network. null for loopback, where all clients
 * of a local proxy share one address, and for a connection that has closed.
 */
export function clientOf(remoteAddress: string | undefined): string | null {
  if (remoteAddress === undefined) return null;
  const address = MAPPED_IPV4.exec(remoteAddress)?.[1] ?? remoteAddress;
  if (isLoopback(address)) return null;
  return isIPv6(address) ? networkOf(address) : address;
}

function networkOf(address: string): string {
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array.from({ length: GROUPS - first.length - last.length }, () => '0');
  const groups = [...first, ...zeros, ...last].slice(0, NETWORK_GROUPS);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}

import { isIPv6 } from 'node:net';
import { isLoopback } from './access.ts';

const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
/** A home or a machine that is rented has a network of 64 bits, and with it more addresses than anybody could count. */
const NETWORK_GROUPS = 4;
const GROUPS = 8;

/**
 * Who counts as one client for limits by address: an IPv4 address, or an IPv6 network of 64 bits. null for loopback, where
 * everybody who comes through a proxy on this machine has the same address, and for a connection that has gone.
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

import { BlockList, isIP } from 'node:net';
import { RbeeError } from '@rbee/contract';

// Not on the public Internet: IANA's special-purpose registries, and the metadata services of clouds.
const NOT_PUBLIC = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // Azure's services for its own machines, although the address looks public.
  ['168.63.129.16', 32],
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
// Only one block of IPv6 is allocated, and parts of it have other uses: protocols, documentation, 6to4.
const ALLOCATED = new BlockList();
ALLOCATED.addSubnet('2000::', 3, 'ipv6');
for (const [network, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits, 'ipv6');
}

/**
 * Whether an address of either family, in any spelling, is on the public Internet. An IPv4 address inside an IPv6 one
 * (mapped, or translated by NAT64) is judged as IPv4. Text that is not an address is not public.
 */
export function isPublic(address: string): boolean {
  const bare = address.replace(/%.*$/s, '');
  switch (isIP(bare)) {
    case 4:
      return !NOT_PUBLIC.check(bare, 'ipv4');
    case 6: {
      const inside = ipv4Within(bare);
      if (inside !== null) return isPublic(inside);
      return ALLOCATED.check(bare, 'ipv6') && !NOT_PUBLIC.check(bare, 'ipv6');
    }
    default:
      return false;
  }
}

/** Whether the host of a URL is a non-public address, or a name that always means this machine. */
export function isPrivateHost(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0) return !isPublic(bare);
  return /(?:^|\.)localhost\.*$/i.test(bare);
}

/** The IPv4 address inside a mapped one (RFC 4291) or one with NAT64's well-known prefix (RFC 6052); null for others. */
function ipv4Within(ipv6: string): string | null {
  // The URL parser normalises the spelling.
  const spelt = new URL(`http://[${ipv6}]`).hostname;
  const [, high, low] = /^\[(?:::ffff|64:ff9b:):([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(spelt) ?? [];
  if (high === undefined || low === undefined) return null;
  return [high, low]
    .map((group) => Number.parseInt(group, 16))
    .flatMap((group) => [group >> 8, group & 0xff])
    .join('.');
}

/** The refusal of an address, or of a name that stands for one. */
export function notPublic(host: string): RbeeError {
  return new RbeeError('SOURCE_NOT_ALLOWED', `${host} is not a public address`, {
    hint: 'if the hive is on a private network, allow it with RBEE_HIVE_ALLOW_PRIVATE_SOURCES=true',
  });
}

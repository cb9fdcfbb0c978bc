import { BlockList, isIP } from 'node:net';
import { hostOf, portOf } from './host-and-port.ts';

type Matches = (host: string, port: number) => boolean;

/**
 * Which URLs the list in NO_PROXY excludes, as curl reads it: a name with or without a leading dot stands for itself and
 * what lies below it, an address for itself, `10.0.0.0/8` and `fd00::/8` for a network, `*` for everything. As other
 * clients have it, `*.example.com` stands only for what lies below, and `:port` restricts an entry to one port.
 * @throws Error with a phrase, where a network has an invalid number of bits
 */
export function parseNoProxy(list: string): (url: URL) => boolean {
  const entries = list
    .split(/[,\s]+/)
    .filter((entry) => entry !== '')
    .map(entryOf);
  return (url) => {
    const host = hostOf(url).toLowerCase().replace(/\.$/, '');
    const port = portOf(url);
    return entries.some((matches) => matches(host, port));
  };
}

function entryOf(entry: string): Matches {
  const network = /^\[?([^\]/]+)\]?\/(.*)$/s.exec(entry);
  if (network !== null && isIP(network[1] ?? '') !== 0) return networkOf(network[1] ?? '', network[2] ?? '');
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [null, undefined, entry];
  const written = (bracketed ?? plain ?? '').toLowerCase().replace(/\.$/, '');
  const matches = isIP(written) === 0 ? nameOf(written) : addressOf(written);
  if (digits === undefined) return matches;
  return (host, port) => port === Number(digits) && matches(host, port);
}

function nameOf(written: string): Matches {
  if (written === '*') return () => true;
  const isWildcard = written.startsWith('*.');
  const name = written.replace(/^\*?\./, '');
  if (name === '') return () => false;
  return (host) => isIP(host) === 0 && (host.endsWith(`.${name}`) || (!isWildcard && host === name));
}

function addressOf(address: string): Matches {
  return networkOf(address, isIP(address) === 4 ? '32' : '128');
}

function networkOf(address: string, bits: string): Matches {
  const isIPv4 = isIP(address) === 4;
  const most = isIPv4 ? 32 : 128;
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > most) {
    throw new Error(`has a network whose number of bits is not between 0 and ${most}`);
  }
  const network = new BlockList();
  network.addSubnet(address.replace(/%.*$/s, ''), Number(bits), isIPv4 ? 'ipv4' : 'ipv6');
  return (host) => {
    const family = isIP(host);
    if (family === 0 || (family === 4) !== isIPv4) return false;
    return network.check(host, isIPv4 ? 'ipv4' : 'ipv6');
  };
}

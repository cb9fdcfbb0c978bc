import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { notPublic } from './public-address.ts';

const MAX_REMEMBERED_HOSTS = 1_000;

/** Resolves a name to all its addresses, as `dns.lookup` does with `all`. */
export type LookUpAll = (
  hostname: string,
  options: object,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export const lookUpAll: LookUpAll = (hostname, options, callback) =>
  systemLookup(hostname, { ...options, all: true }, callback);

/**
 * The lookup function of a socket. The socket connects to the address that was checked and resolves nothing again, so a
 * name that changes in between (DNS rebinding) gains nothing. One non-public address refuses the whole name, since the
 * socket could try them in turn.
 */
export function publicOnly({
  lookUp,
  isPublic,
}: {
  readonly lookUp: LookUpAll;
  readonly isPublic: (address: string) => boolean;
}): LookupFunction {
  return (hostname, options, callback) => {
    lookUp(hostname, options, (error, addresses) => {
      if (error) return callback(error, '', 0);
      if (addresses.some(({ address }) => !isPublic(address))) return callback(notPublic(hostname), '', 0);
      // A socket that tries several addresses in turn wants all of them, any other only one.
      if (options.all) return callback(null, addresses);
      const [first] = addresses;
      return callback(null, first?.address ?? '', first?.family ?? 0);
    });
  };
}

/**
 * A lookup whose first address is the one that was reached last, so that an address without a route (IPv6 at many homes)
 * costs its time once and not at each connection.
 */
export function reachedFirst(lookUp: LookUpAll): {
  readonly lookUp: LookUpAll;
  readonly remember: (hostname: string, address: string | undefined) => void;
} {
  const reached = new Map<string, string>();
  return {
    lookUp(hostname, options, callback) {
      lookUp(hostname, options, (error, addresses) => {
        const best = reached.get(hostname);
        if (error || best === undefined) return callback(error, addresses);
        const isBest = ({ address }: LookupAddress) => address === best;
        callback(null, [...addresses.filter(isBest), ...addresses.filter((each) => !isBest(each))]);
      });
    },
    remember(hostname, address) {
      if (address === undefined) return;
      reached.delete(hostname);
      reached.set(hostname, address);
      const [oldest] = reached.keys();
      if (reached.size > MAX_REMEMBERED_HOSTS && oldest !== undefined) reached.delete(oldest);
    },
  };
}

/** The first address of a name. @throws what the lookup reports */
export function addressOf(hostname: string, lookup: LookupFunction): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  lookup(hostname, {}, (error, address) => {
    if (error) reject(error);
    else resolve(String(address));
  });
  return promise;
}

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type HubRoute, hostOf } from './proxy-route.ts';
import { failed, ok, skipped, type Verdict } from './verdict.ts';

const MAX_SHOWN = 3;
const RESOLVER_HINT = 'check the resolvers of this machine (/etc/resolv.conf) and its network';

/** Looks up the name that the hive connects to: the hub's, or where there is a proxy the proxy's, which looks up the hub. */
export async function checkDns({ hub, proxy }: HubRoute): Promise<Verdict> {
  const host = hostOf(proxy ?? hub);
  if (isIP(host) !== 0) return skipped(`${host} is an address: there is no name to look up`);
  try {
    const addresses = (await lookup(host, { all: true })).map(({ address }) => address);
    const more = addresses.length > MAX_SHOWN ? ` and ${addresses.length - MAX_SHOWN} more` : '';
    return ok(`${host} is ${addresses.slice(0, MAX_SHOWN).join(', ')}${more}`);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : null;
    if (code === null) throw error;
    return failed(`the name ${host} cannot be looked up (${code})`, hintOf(code, proxy !== null));
  }
}

function hintOf(code: string, isProxy: boolean): string {
  if (code !== 'ENOTFOUND') return RESOLVER_HINT;
  return `check ${isProxy ? 'the name in HTTPS_PROXY' : 'the name in HF_ENDPOINT'}; where it is right, ${RESOLVER_HINT}`;
}

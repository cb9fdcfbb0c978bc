import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { hostOf } from '../sources/http/proxy/host-and-port.ts';
import type { HubRoute } from './proxy-route.ts';
import { failed, ok, skipped, type Verdict } from './verdict.ts';

const MAX_SHOWN = 3;
const RESOLVER_HINT = 'check the resolvers of this machine (/etc/resolv.conf) and its network';

/** Resolves the name that the hive connects to: the proxy's if there is one, since the proxy resolves the hub; else the hub's. */
export async function checkDns({ hub, proxy }: HubRoute): Promise<Verdict> {
  const host = proxy?.hostname ?? hostOf(hub);
  if (isIP(host) !== 0) return skipped(`${host} is an IP address: there is no name to resolve`);
  try {
    const addresses = (await lookup(host, { all: true })).map(({ address }) => address);
    const more = addresses.length > MAX_SHOWN ? ` and ${addresses.length - MAX_SHOWN} more` : '';
    return ok(`${host} resolves to ${addresses.slice(0, MAX_SHOWN).join(', ')}${more}`);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : null;
    if (code === null) throw error;
    return failed(`the name ${host} cannot be resolved (${code})`, hintOf(code, proxy?.variable ?? 'HF_ENDPOINT'));
  }
}

function hintOf(code: string, variable: string): string {
  if (code !== 'ENOTFOUND') return RESOLVER_HINT;
  return `check the name in ${variable}; if it is right, ${RESOLVER_HINT}`;
}

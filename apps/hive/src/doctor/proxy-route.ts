import type { Proxies } from '../sources/http/proxy/proxies.ts';
import type { ProxyServer } from '../sources/http/proxy/proxy.ts';

/** The route from the hive to its hub. */
export interface HubRoute {
  readonly hub: URL;
  /** The proxy of the environment; null where there is none, or NO_PROXY excludes the hub. */
  readonly proxy: ProxyServer | null;
  /** Whether there is a proxy and NO_PROXY excludes the hub. */
  readonly isExcluded: boolean;
}

/** The route of the sources' dispatcher, which has the same proxies. */
export function routeTo(hub: URL, proxies: Proxies): HubRoute {
  return { hub, proxy: proxies.of(hub), isExcluded: proxies.isExcluded(hub) };
}

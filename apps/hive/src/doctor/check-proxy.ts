import { connect } from 'node:net';
import { errorOfConnection } from '@rbee/transfer';
import { openTunnel, requestThrough } from './proxy-request.ts';
import { type HubRoute, hostOf, portOf } from './proxy-route.ts';
import { failed, failureOf, ok, type Verdict } from './verdict.ts';

const TUNNEL_OPEN = 200;
const CREDENTIALS_WANTED = 407;
const ADDRESS_HINT = 'check the address in HTTPS_PROXY or HTTP_PROXY; add hosts that need no proxy to NO_PROXY';

/** Whether the proxy of the environment lets the hive reach its hub. */
export async function checkProxy(route: HubRoute, signal: AbortSignal): Promise<Verdict> {
  const { hub, proxy, isExcluded } = route;
  if (proxy === null) {
    return ok(
      isExcluded ? `NO_PROXY excludes ${hub.host} from the proxy` : 'no proxy is set: the hive connects directly',
    );
  }
  try {
    return judge(route, proxy, await statusOf(route, proxy, signal));
  } catch (error) {
    signal.throwIfAborted();
    return { ...failureOf(errorOfConnection(error, `the proxy ${proxy.host}`)), hint: ADDRESS_HINT };
  }
}

/** The proxy's status for a request as the dispatcher sends it; null for a proxy that is not HTTP but accepts connections. */
async function statusOf({ hub }: HubRoute, proxy: URL, signal: AbortSignal): Promise<number | null> {
  if (!/^https?:$/.test(proxy.protocol)) {
    await reach(proxy, signal);
    return null;
  }
  if (hub.protocol === 'http:') return requestThrough(proxy, hub, signal);
  const { status, socket } = await openTunnel(proxy, hub, signal);
  socket.destroy();
  return status;
}

function judge({ hub }: HubRoute, proxy: URL, status: number | null): Verdict {
  if (status === null) return ok(`${proxy.host} accepts connections`);
  if (status === CREDENTIALS_WANTED) {
    const hint = 'set them in HTTPS_PROXY: http://user:password@host:port';
    return failed(`the proxy ${proxy.host} requires a valid user and password (status ${status})`, hint);
  }
  // With plain http the status may be the hub's own.
  if (hub.protocol === 'http:' || status === TUNNEL_OPEN) return ok(`the proxy ${proxy.host} connects to ${hub.host}`);
  const hint = `ask the operator of the proxy to allow ${hub.host}, or add it to NO_PROXY if no proxy is needed`;
  return failed(`the proxy ${proxy.host} refuses to connect to ${hub.host} (status ${status})`, hint);
}

function reach(proxy: URL, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host: hostOf(proxy), port: portOf(proxy), signal });
  socket.once('connect', () => {
    socket.destroy();
    resolve();
  });
  socket.once('error', reject);
  return promise;
}

import { connect } from 'node:net';
import { errorOfConnection } from '@rbee/transfer';
import { askThrough, openTunnel } from './ask-proxy.ts';
import { type HubRoute, hostOf, portOf } from './proxy-route.ts';
import { failed, failureOf, ok, type Verdict } from './verdict.ts';

const TUNNEL_OPEN = 200;
const CREDENTIALS_WANTED = 407;
const ADDRESS_HINT = 'check the address in HTTPS_PROXY or HTTP_PROXY; a host that needs no proxy goes into NO_PROXY';

/** Whether the proxy of the environment lets the hive through to its hub. */
export async function checkProxy(route: HubRoute, signal: AbortSignal): Promise<Verdict> {
  const { hub, proxy, isException } = route;
  if (proxy === null) {
    return ok(
      isException ? `NO_PROXY excepts ${hub.host} from the proxy` : 'no proxy is set: the hive connects directly',
    );
  }
  try {
    return judge(route, proxy, await statusOf(route, proxy, signal));
  } catch (error) {
    signal.throwIfAborted();
    return { ...failureOf(errorOfConnection(error, `the proxy ${proxy.host}`)), hint: ADDRESS_HINT };
  }
}

/** What the proxy answers, asked as the dispatcher asks it; null where it does not speak HTTP, but takes connections. */
async function statusOf({ hub }: HubRoute, proxy: URL, signal: AbortSignal): Promise<number | null> {
  if (!/^https?:$/.test(proxy.protocol)) {
    await reach(proxy, signal);
    return null;
  }
  if (hub.protocol === 'http:') return askThrough(proxy, hub, signal);
  const { status, socket } = await openTunnel(proxy, hub, signal);
  socket.destroy();
  return status;
}

function judge({ hub }: HubRoute, proxy: URL, status: number | null): Verdict {
  if (status === null) return ok(`${proxy.host} takes connections`);
  if (status === CREDENTIALS_WANTED) {
    const hint = 'put them into HTTPS_PROXY: http://user:password@host:port';
    return failed(`the proxy ${proxy.host} wants a user and a password, or others (status ${status})`, hint);
  }
  // Of plain http the status may be the hub's own.
  if (hub.protocol === 'http:' || status === TUNNEL_OPEN) return ok(`the proxy ${proxy.host} leads to ${hub.host}`);
  const hint = `ask whoever runs the proxy to allow ${hub.host}, or put it into NO_PROXY where no proxy is needed`;
  return failed(`the proxy ${proxy.host} does not lead to ${hub.host} (status ${status})`, hint);
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

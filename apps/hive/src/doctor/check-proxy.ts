import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { RbeeError } from '@rbee/contract';
import { errorOfConnection } from '@rbee/transfer';
import { hostOf, portOf } from '../sources/http/proxy/host-and-port.ts';
import { hostOfProxy, isSocks, type ProxyServer } from '../sources/http/proxy/proxy.ts';
import { connectThroughSocks } from '../sources/http/proxy/socks5.ts';
import { refusalOfProxy, requestTunnel, sendToProxy } from '../sources/http/proxy/tunnel.ts';
import type { HubRoute } from './proxy-route.ts';
import { failed, failureOf, ok, type Verdict } from './verdict.ts';

const TUNNEL_OPEN = 200;
const CREDENTIALS_WANTED = 407;

/** Whether the proxy of the environment lets the hive reach its hub. */
export async function checkProxy(route: HubRoute, signal: AbortSignal): Promise<Verdict> {
  const { hub, proxy, isExcluded } = route;
  if (proxy === null) {
    return ok(
      isExcluded ? `NO_PROXY excludes ${hub.host} from the proxy` : 'no proxy is set: the hive connects directly',
    );
  }
  try {
    return await judge(hub, proxy, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RbeeError) return failed(error.message, error.hint);
    const hint = `check the address in ${proxy.variable}; add hosts that need no proxy to NO_PROXY`;
    return { ...failureOf(errorOfConnection(error, `the proxy ${hostOfProxy(proxy)}`)), hint };
  }
}

/** Sends what the dispatcher sends. */
async function judge(hub: URL, proxy: ProxyServer, signal: AbortSignal): Promise<Verdict> {
  const connects = ok(`the proxy ${hostOfProxy(proxy)} connects to ${hub.host}`);
  if (isSocks(proxy)) {
    const socket = await connectThroughSocks(proxy, { host: hostOf(hub), port: portOf(hub) }, signal);
    socket.on('error', () => {}).destroy();
    return connects;
  }
  const status =
    hub.protocol === 'http:' ? await forwardedStatus(hub, proxy, signal) : await tunnelStatus(hub, proxy, signal);
  // With plain http any other status may be the hub's own.
  const isFine = hub.protocol === 'http:' ? status !== CREDENTIALS_WANTED : status === TUNNEL_OPEN;
  if (isFine) return connects;
  const { message, hint } = refusalOfProxy(proxy, hub.host, status);
  return failed(message, hint);
}

async function tunnelStatus(hub: URL, proxy: ProxyServer, signal: AbortSignal): Promise<number> {
  const { status, socket } = await requestTunnel(proxy, hub, signal);
  socket.destroy();
  return status;
}

async function forwardedStatus(hub: URL, proxy: ProxyServer, signal: AbortSignal): Promise<number> {
  const request = sendToProxy(proxy, { method: 'HEAD', path: hub.href, host: hub.host }, signal).end();
  const [response] = (await once(request, 'response', { signal })) as [IncomingMessage];
  response.destroy();
  return response.statusCode ?? 0;
}

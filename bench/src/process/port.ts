import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const host = '127.0.0.1';
const startTimeoutMs = 5_000;
const askEveryMs = 20;

/** For a server that cannot choose a port by itself: one that was free a moment ago is as good. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
  return address.port;
}

/** Waits until somebody listens there on loopback. @throws when nobody does within 5 s */
export async function listens(port: number, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(startTimeoutMs)]);
  while (!(await accepts(port))) await delay(askEveryMs, null, { signal: limit });
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

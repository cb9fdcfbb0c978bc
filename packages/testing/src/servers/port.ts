import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const host = '127.0.0.1';
const startTimeoutMs = 30_000;
/** A server does not announce that it listens, so its port is tried this often. */
const askEveryMs = 20;

/** A port on loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
  return address.port;
}

/** Resolves when the port accepts connections. @throws Error when it does not in time; the signal's reason when aborted */
export async function acceptsSoon(port: number, signal?: AbortSignal): Promise<void> {
  const untilMs = performance.now() + startTimeoutMs;
  while (!(await accepts(port))) {
    if (performance.now() > untilMs) throw new Error(`nothing listens on port ${port} after ${startTimeoutMs} ms`);
    await delay(askEveryMs, null, signal === undefined ? {} : { signal });
  }
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

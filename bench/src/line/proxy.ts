import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { DelayedPipe, type Line } from './delayed-pipe.ts';

export interface ProxyOptions {
  /** On 127.0.0.1. */
  readonly targetPort: number;
  /** Each connection has one of its own in each direction. */
  readonly line: Line;
}

export interface SlowProxy {
  /** On 127.0.0.1. */
  readonly port: number;
  close(): Promise<void>;
}

const host = '127.0.0.1';
/** Read from the target in one go, into a reused buffer: this halves the proxy's own work. */
const readBytes = 128 * 1024;

/** A TCP proxy that gives every connection the delay and the rate of the line. Closes and resets pass through. */
export async function startProxy({ targetPort, line }: ProxyOptions): Promise<SlowProxy> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const target = join(client, targetPort, line);
    watch(client, target, sockets);
    watch(target, client, sockets);
  });
  const port = await listen(server);
  return {
    port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Connects client and target, with a pipe in each direction. */
function join(client: Socket, port: number, line: Line): Socket {
  const down = new DelayedPipe(client, line, () => target.resume());
  const spare: Buffer[] = [];
  const target = connect({
    host,
    port,
    allowHalfOpen: true,
    noDelay: true,
    onread: {
      buffer: () => spare.pop() ?? Buffer.allocUnsafeSlow(readBytes),
      callback(length, buffer) {
        const whole = buffer as Buffer;
        return down.put(whole.subarray(0, length), () => spare.push(whole));
      },
    },
  });
  const up = new DelayedPipe(target, line, () => client.resume());
  client.on('data', (chunk: Buffer) => {
    if (!up.put(chunk)) client.pause();
  });
  client.once('end', () => up.end());
  target.once('end', () => down.end());
  return target;
}

function watch(socket: Socket, other: Socket, sockets: Set<Socket>): void {
  sockets.add(socket);
  // `close` follows and is handled there.
  socket.on('error', () => {});
  socket.once('close', (hadError) => {
    sockets.delete(socket);
    // An orderly end is already travelling along the line. A cut is passed on immediately.
    if (hadError || !socket.readableEnded) other.resetAndDestroy();
  });
}

async function listen(server: Server): Promise<number> {
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
  return address.port;
}

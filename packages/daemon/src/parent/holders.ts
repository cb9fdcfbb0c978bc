import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** A connection has to send the secret within this time. */
const SECRET_TIMEOUT_MS = 5_000;
const SECRET_BYTES = 16;
const MAX_CONNECTIONS = 1_000;

/**
 * Where a command connects to hold a daemon: it sends the secret and a line feed, and gets `ok` and a line feed. It
 * releases the daemon by ending its side: the daemon answers `stays` if it is still needed; otherwise the connection ends
 * with the daemon.
 */
export interface HoldAddress {
  /** On 127.0.0.1. */
  readonly port: number;
  readonly secret: string;
}

export interface Holders {
  readonly address: HoldAddress;
  /** Lets nobody in any more. Those that released it last wait for the end of the process. */
  close(): void;
}

/**
 * Listens on loopback for the commands that use this daemon: each holds it by a connection, which the kernel closes
 * however the command ends. `onCount` gets their number at each change; `isNeeded` says whether the daemon stays.
 */
export async function openHolders(onCount: (count: number) => void, isNeeded: () => boolean): Promise<Holders> {
  const secret = randomBytes(SECRET_BYTES).toString('hex');
  const sockets = new Set<Socket>();
  const holders = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.setTimeout(SECRET_TIMEOUT_MS, () => socket.destroy());
    socket.on('error', () => {});
    const leave = () => {
      if (holders.delete(socket)) onCount(holders.size);
    };
    socket.on('close', () => {
      sockets.delete(socket);
      leave();
    });
    socket.on('end', () => {
      if (!holders.has(socket)) socket.destroy();
      leave();
      if (isNeeded()) socket.end('stays\n');
    });
    let text = '';
    socket.on('data', (data) => {
      if (holders.has(socket)) return;
      text += data.toString('latin1');
      if (!text.includes('\n') && text.length <= 2 * SECRET_BYTES) return;
      if (!isSecret(text, `${secret}\n`)) {
        socket.destroy();
        return;
      }
      holders.add(socket);
      onCount(holders.size);
      socket.setTimeout(0);
      socket.write('ok\n');
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  return {
    address: { port: (server.address() as AddressInfo).port, secret },
    close() {
      server.close();
      for (const socket of sockets) if (!socket.readableEnded) socket.destroy();
    },
  };
}

function isSecret(given: string, secret: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(secret)];
  return a.length === b.length && timingSafeEqual(a, b);
}

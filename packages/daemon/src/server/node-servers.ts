import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { answerClientErrors } from './client-error.ts';
import { connectionOptions, type RequestTimeouts } from './request-limits.ts';
import type { TlsIdentity } from './tls.ts';

declare module 'fastify' {
  interface FastifyInstance {
    nodeServers: NodeServers;
  }
}

/** The servers of Node.js that serve one app: fastify's own, and one for each further address of `localhost`. */
export interface NodeServers {
  /** Serves the app on one more address. */
  listenAlso(host: string, port: number): Promise<void>;
  /** Uses another certificate for new connections. */
  setTls(identity: TlsIdentity): void;
  /** Stops accepting connections on the further addresses; resolves when their open ones have ended. */
  closeOthers(): Promise<void>;
  /** Ends every open connection. */
  hangUp(): void;
}

export interface NodeServersOptions {
  readonly tls: TlsIdentity | null;
  readonly timeouts: RequestTimeouts;
}

export function createNodeServers(app: FastifyInstance, { tls, timeouts }: NodeServersOptions): NodeServers {
  const sockets = new Set<Socket>();
  const others: HttpServer[] = [];
  const adopt = (server: HttpServer) => {
    answerClientErrors(server, app.log);
    trackConnections(server, sockets);
  };
  adopt(app.server);
  return {
    async listenAlso(host, port) {
      const options = { ...connectionOptions(timeouts), keepAliveTimeout: app.server.keepAliveTimeout };
      const server =
        tls === null
          ? createHttpServer(options, app.routing)
          : createHttpsServer({ ...options, ...tls, handshakeTimeout: timeouts.handshakeMs }, app.routing);
      adopt(server);
      server.listen({ host, port });
      await once(server, 'listening');
      others.push(server);
    },
    setTls(identity) {
      for (const server of [app.server, ...others]) {
        if (server instanceof TlsServer) server.setSecureContext({ ...identity });
      }
    },
    async closeOthers() {
      await Promise.all(others.map((server) => new Promise((resolve) => server.close(resolve))));
    },
    hangUp() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/**
 * Listens, and returns the URL. `localhost` means every address it resolves to, usually 127.0.0.1 and ::1, all on one
 * port. An address that this machine does not have, or whose port is taken, is logged and left out.
 */
export async function listen(
  app: FastifyInstance,
  { host, port }: { readonly host: string; readonly port: number },
  resolve: (name: string) => Promise<readonly string[]> = addressesOf,
): Promise<string> {
  const [first = host, ...others] = host === 'localhost' ? await resolve(host) : [host];
  const url = await app.listen({ host: first, port });
  const { port: bound } = app.server.address() as AddressInfo;
  for (const address of others) {
    await app.nodeServers
      .listenAlso(address, bound)
      .catch((error: unknown) => app.log.warn({ err: error, address }, 'not listening on this address of localhost'));
  }
  return url;
}

async function addressesOf(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true });
  return [...new Set(found.map(({ address }) => address))];
}

// The server's own list knows only connections that speak HTTP: one that never finishes its TLS handshake, or that asked
// for a tunnel, would delay closing.
function trackConnections(server: HttpServer, sockets: Set<Socket>): void {
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
}

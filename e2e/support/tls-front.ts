import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { Certificate } from '@rbee/testing';

/** What stands before a server of plain HTTP and speaks TLS for it, as a company's proxy does. */
export interface TlsFront {
  readonly url: string;
  close(): void;
}

export async function startTlsFront(target: string, { certificateFile, keyFile }: Certificate): Promise<TlsFront> {
  const { port, hostname } = new URL(target);
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    // When one side hangs up, the other is closed below.
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };
  const options = { cert: await readFile(certificateFile), key: await readFile(keyFile) };
  const server = createServer(options, (client) => {
    const upstream = connect(Number(port), hostname);
    for (const [from, to] of [
      [keep(client), keep(upstream)],
      [upstream, client],
    ] as const) {
      from.pipe(to);
      from.on('close', () => to.destroySoon());
    }
  });
  // A client that does not trust the certificate is what some tests are about.
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

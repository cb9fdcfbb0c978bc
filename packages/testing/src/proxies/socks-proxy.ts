import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface SocksProxyOptions {
  /** Required of clients; default: none. */
  readonly credentials?: { readonly user: string; readonly password: string };
  /** The reply to each request in place of a connection (RFC 1928, section 6). */
  readonly reply?: number;
  /** Where every target is, whatever its name; default: where it says. */
  readonly leadsTo?: { readonly host: string; readonly port: number };
  /** Sends its answers one byte at a time. */
  readonly isSlow?: boolean;
}

/** A SOCKS5 proxy on loopback. */
export interface SocksProxy {
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** Targets that were asked for, as they were asked for: `name:port`, `1.2.3.4:port`, `[::1]:port`. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

const IPV4 = 1;
const NAME = 3;

/** Starts a SOCKS5 proxy that understands CONNECT. */
export async function startSocksProxy(options: SocksProxyOptions = {}): Promise<SocksProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
  };
  const server = createServer((socket) => {
    keep(socket);
    serve(socket, options, { asked, keep }).catch(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function serve(
  socket: Socket,
  { credentials, reply = 0, leadsTo, isSlow = false }: SocksProxyOptions,
  { asked, keep }: { asked: string[]; keep: (socket: Socket) => void },
): Promise<void> {
  const send = async (bytes: readonly number[]) => {
    const pieces = isSlow ? bytes.map((byte) => [byte]) : [bytes];
    for (const piece of pieces) await new Promise((resolve) => socket.write(Buffer.from(piece), resolve));
  };
  const [, count = 0] = await take(socket, 2);
  const methods = await take(socket, count);
  const method = credentials === undefined ? 0 : 2;
  if (!methods.includes(method)) return void socket.end(Buffer.from([5, 0xff]));
  await send([5, method]);
  if (credentials !== undefined) {
    const user = await takeText(socket, (await take(socket, 2))[1]);
    const password = await takeText(socket, (await take(socket, 1))[0]);
    const isRight = user === credentials.user && password === credentials.password;
    await send([1, isRight ? 0 : 1]);
    if (!isRight) return void socket.end();
  }
  const [, , , type] = await take(socket, 4);
  const host = await takeHost(socket, type);
  const port = (await take(socket, 2)).readUInt16BE();
  asked.push(`${host}:${port}`);
  if (reply !== 0) return void socket.end(Buffer.from([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]));
  const onward = connect(leadsTo ?? { host: host.replace(/^\[|\]$/g, ''), port });
  keep(onward);
  await once(onward, 'connect');
  // A name as its own address, which few proxies send and all may.
  await send([5, 0, 0, NAME, 1, 0x78, 0, 0]);
  socket.on('close', () => onward.destroy());
  onward.on('close', () => socket.destroy());
  socket.pipe(onward).pipe(socket);
}

async function takeHost(socket: Socket, type: number | undefined): Promise<string> {
  if (type === IPV4) return [...(await take(socket, 4))].join('.');
  if (type === NAME) return takeText(socket, (await take(socket, 1))[0]);
  const groups = (await take(socket, 16)).toString('hex').match(/.{4}/g) ?? [];
  return new URL(`http://[${groups.join(':')}]`).hostname;
}

async function takeText(socket: Socket, bytes = 0): Promise<string> {
  return (await take(socket, bytes)).toString();
}

async function take(socket: Socket, bytes: number): Promise<Buffer> {
  let found = Buffer.alloc(0);
  while (found.length < bytes) {
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) found = Buffer.concat([found, chunk]);
    else if (socket.destroyed || socket.readableEnded) throw new Error('the client left');
    else {
      const over = new AbortController();
      await Promise.race(['readable', 'close', 'end'].map((event) => once(socket, event, { signal: over.signal })));
      over.abort();
    }
  }
  if (found.length > bytes) socket.unshift(found.subarray(bytes));
  return found.subarray(0, bytes);
}

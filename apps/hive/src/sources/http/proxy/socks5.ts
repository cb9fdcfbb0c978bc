import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import { RbeeError } from '@rbee/contract';
import { SOCKET_OPTIONS } from '../socket-options.ts';
import { hostOfProxy, type ProxyServer } from './proxy.ts';

const VERSION = 5;
const PASSWORD_VERSION = 1;
const METHODS = { none: 0, password: 2 } as const;
const COMMAND_CONNECT = 1;
const ADDRESS_TYPES = { ipv4: 1, name: 3, ipv6: 4 } as const;
const MAX_NAME_BYTES = 255;
const PORT_BYTES = 2;
/** RFC 1928, section 6. */
const REPLIES: readonly string[] = [
  '',
  'it failed',
  'its rules do not allow it',
  'the network is unreachable',
  'the host is unreachable',
  'the connection was refused',
  'the packet expired on its way',
  'it does not know the command',
  'it does not take this kind of address',
];

/** Replies that may be another one a minute later, as what a socket of our own would report. */
const OUTAGES: Readonly<Record<number, string>> = {
  3: 'ENETUNREACH',
  4: 'EHOSTUNREACH',
  5: 'ECONNREFUSED',
  6: 'ETIMEDOUT',
};

export interface SocksTarget {
  /** A name, which the proxy resolves, or an address without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * Connects to a host through a SOCKS5 proxy (RFC 1928), with its user and password if the proxy wants them (RFC 1929).
 * @throws RbeeError SOURCE_UNAVAILABLE where the proxy refuses; the socket's error; the signal's reason
 */
export async function connectThroughSocks(proxy: ProxyServer, to: SocksTarget, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const socket = connect({ ...SOCKET_OPTIONS, host: proxy.hostname, port: proxy.port });
  socket.setNoDelay(true);
  const onAbort = () => socket.destroy(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await once(socket, 'connect');
    await shakeHands(socket, proxy, to);
    return socket;
  } catch (error) {
    socket.on('error', () => {});
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function shakeHands(socket: Socket, proxy: ProxyServer, to: SocksTarget): Promise<void> {
  const refused = (why: string, hint: string, code?: string) =>
    new RbeeError('SOURCE_UNAVAILABLE', `the proxy ${hostOfProxy(proxy)} does not connect to ${to.host}: ${why}`, {
      hint,
      details: { proxy: hostOfProxy(proxy), ...(code === undefined ? {} : { code }) },
    });
  const notSocks = () => refused('it does not speak SOCKS5', `check the scheme and the port in ${proxy.variable}`);
  const credentialsHint = `set a valid user and password in ${proxy.variable}: socks5h://user:password@host:port`;
  const offered = proxy.credentials === null ? [METHODS.none] : [METHODS.none, METHODS.password];
  socket.write(Buffer.from([VERSION, offered.length, ...offered]));
  const [version, method] = await read(socket, 2, notSocks);
  if (version !== VERSION) throw notSocks();
  if (method === METHODS.password && proxy.credentials !== null) {
    const parts = [proxy.credentials.user, proxy.credentials.password].map((part) => Buffer.from(part));
    socket.write(Buffer.from([PASSWORD_VERSION, ...parts.flatMap((part) => [part.length, ...part])]));
    const [, status] = await read(socket, 2, () => refused('it refuses the user or the password', credentialsHint));
    if (status !== 0) throw refused('it refuses the user or the password', credentialsHint);
  } else if (method !== METHODS.none) throw refused('it requires a user and a password', credentialsHint);
  socket.write(Buffer.from([VERSION, COMMAND_CONNECT, 0, ...addressBytes(to.host), to.port >> 8, to.port & 0xff]));
  const [, reply = 1, , type] = await read(socket, 4, notSocks);
  if (reply !== 0) {
    const why = REPLIES[reply] ?? `reply ${reply}`;
    const hint = `ask the operator of the proxy, or add ${to.host} to NO_PROXY if no proxy is needed`;
    throw refused(why, hint, OUTAGES[reply]);
  }
  const bound =
    type === ADDRESS_TYPES.ipv4 ? 4 : type === ADDRESS_TYPES.ipv6 ? 16 : (await read(socket, 1, notSocks))[0];
  await read(socket, (bound ?? 0) + PORT_BYTES, notSocks);
}

function addressBytes(host: string): readonly number[] {
  switch (isIP(host)) {
    case 4:
      return [ADDRESS_TYPES.ipv4, ...host.split('.').map(Number)];
    case 6:
      return [ADDRESS_TYPES.ipv6, ...ipv6Bytes(host)];
    default: {
      const name = Buffer.from(host);
      if (name.length > MAX_NAME_BYTES) throw new RbeeError('SOURCE_UNAVAILABLE', 'the name of the host is too long');
      return [ADDRESS_TYPES.name, name.length, ...name];
    }
  }
}

/** An address in any spelling, also with IPv4 at its end: the URL parser leaves only groups of hex digits and one "::". */
function ipv6Bytes(address: string): readonly number[] {
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [before = '', after = ''] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const [first, last] = [groups(before), groups(after)];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => 0);
  return [...first, ...zeros, ...last].flatMap((group) => [group >> 8, group & 0xff]);
}

/** Exactly so many bytes: what follows belongs to the host. */
async function read(socket: Socket, bytes: number, onEnd: () => Error): Promise<Buffer> {
  let found = Buffer.alloc(0);
  while (found.length < bytes) {
    // All that is there: what stays in the stream would make it readable again and again.
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) found = Buffer.concat([found, chunk]);
    else if (socket.readableEnded || socket.destroyed) throw socket.errored ?? onEnd();
    else await anyOf(socket, ['readable', 'end', 'close']);
  }
  if (found.length > bytes) socket.unshift(found.subarray(bytes));
  return found.subarray(0, bytes);
}

async function anyOf(socket: Socket, events: readonly string[]): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race(events.map((event) => once(socket, event, { signal: over.signal })));
  } finally {
    // Removes the listeners of the others.
    over.abort();
  }
}

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type DoctorCheck, systemClock } from '@rbee/contract';
import { type TempDir, tempDir } from '@rbee/testing';
import type { Dispatcher } from 'undici';
import { createDoctor, type Doctor } from '../../src/doctor/doctor.ts';
import { createSourceDispatcher } from '../../src/sources/http/dispatcher.ts';
import { readProxies } from '../../src/sources/http/proxy/proxies.ts';
import { fixedToken } from '../../src/sources/hugging-face/hub-token.ts';
import { createLayout } from '../../src/store/layout.ts';
import { openStore, type Store } from '../../src/store/store.ts';

export const TOKEN = 'hf_the-secret-of-the-hub';
const PROXY_PASSWORD = 'the-secret-of-the-proxy';

export interface DoctorOptions {
  readonly endpoint: string;
  readonly token?: string | null;
  readonly isOffline?: boolean;
  /** Names the folder of the store; made where it is not there. */
  readonly modelsDir?: string;
}

/** A doctor that asks over the dispatcher of a hive, which reads the proxies of this process's environment. */
export interface TestDoctor extends Doctor {
  readonly store: Store;
  readonly folder: TempDir;
  /** What was found, by name. Fails where a secret of these tests is in it, or a bug was met. */
  found(): Promise<Readonly<Record<string, DoctorCheck>>>;
  stop(): void;
  close(): Promise<void>;
}

export async function openDoctor(options: DoctorOptions): Promise<TestDoctor> {
  const { endpoint, token = null, isOffline = false } = options;
  const folder = await tempDir();
  const layout = createLayout(options.modelsDir ?? join(folder.path, 'hub'));
  const store = await openStore(layout, { clock: systemClock });
  const proxies = readProxies(process.env, (problem) => {
    throw new Error(problem);
  });
  const dispatcher: Dispatcher = createSourceDispatcher({
    proxies,
    exemptOrigins: new Set([new URL(endpoint).origin]),
    allowPrivate: true,
  });
  const stopping = new AbortController();
  const bugs: unknown[] = [];
  const doctor = createDoctor({
    hiveId: 'gpu-1',
    clock: systemClock,
    hub: { dispatcher, endpoint, token: fixedToken(token), headersTimeoutMs: 30_000, userAgent: 'rbee-test' },
    isOffline,
    proxies,
    store,
    signal: stopping.signal,
    onBug: (error) => bugs.push(error),
  });
  return {
    ...doctor,
    store,
    folder,
    async found() {
      const report = await doctor.examine();
      const text = JSON.stringify(report);
      for (const secret of [TOKEN, PROXY_PASSWORD, 'Signature=']) {
        if (text.includes(secret)) throw new Error(`a secret was printed: ${text}`);
      }
      if (bugs.length > 0) throw new AggregateError(bugs, 'bugs');
      return Object.fromEntries(report.checks.map((check) => [check.check, check]));
    },
    stop: () => stopping.abort(),
    async close() {
      await dispatcher.destroy();
      await folder.remove();
    },
  };
}

export interface TestProxy {
  readonly url: string;
  /** Where tunnels were asked to. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

/** A proxy that answers each request for a tunnel with that status, and opens it where that is 200. */
export async function startProxy(status: number): Promise<TestProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((_, response) => response.writeHead(status).end());
  server.on('connection', (socket) => sockets.add(socket));
  server.on('connect', (request, socket: Socket) => {
    asked.push(request.url ?? '');
    socket.on('error', () => socket.destroy());
    if (status !== 200) return void socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
    const [host = '', port = ''] = (request.url ?? '').split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    sockets.add(onward);
    onward.on('error', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://user:${PROXY_PASSWORD}@127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Service, startService } from '../process/service.ts';
import { type NginxSetup, nginxConfig } from './nginx-config.ts';

export type NginxOptions = Omit<NginxSetup, 'port' | 'isRoot'> & { readonly command: string };

export interface Nginx extends Pick<Service, 'pid' | 'stop'> {
  /** On 127.0.0.1. */
  readonly port: number;
}

const host = '127.0.0.1';
const startTimeoutMs = 5_000;
const askEveryMs = 20;

/** An nginx of our own on loopback. The caller stops it. @throws Error with nginx's words when it does not start */
export async function startNginx({ command, ...setup }: NginxOptions, signal: AbortSignal): Promise<Nginx> {
  await mkdir(setup.folder, { recursive: true });
  // nginx cannot choose a port by itself. One that was free a moment ago is as good.
  const port = await freePort();
  const configFile = join(setup.folder, 'nginx.conf');
  await writeFile(configFile, nginxConfig({ ...setup, port, isRoot: process.getuid?.() === 0 }));
  const service = await startService(command, ['-c', configFile]);
  try {
    await Promise.race([
      listens(port, signal),
      service.ended.then((text) => Promise.reject(new Error(`nginx ended: ${text}`))),
    ]);
  } catch (error) {
    await service.stop();
    throw error;
  }
  return { port, pid: service.pid, stop: service.stop };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
  return address.port;
}

async function listens(port: number, signal: AbortSignal): Promise<void> {
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

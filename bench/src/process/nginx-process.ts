import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { acceptsSoon, freePort } from '@rbee/testing';
import { type Service, startService } from './service.ts';

export interface NginxProcess extends Pick<Service, 'pid' | 'stop'> {
  /** On 127.0.0.1. */
  readonly port: number;
}

/** Where it listens, and whether its workers run as root, who may not enter a folder of root's otherwise. */
export interface NginxPlace {
  readonly port: number;
  readonly isRoot: boolean;
}

/** An nginx of our own on loopback. The caller stops it. @throws Error with nginx's words when it does not start */
export async function startNginxProcess(
  command: string,
  folder: string,
  configOf: (place: NginxPlace) => string,
  signal: AbortSignal,
): Promise<NginxProcess> {
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const configFile = join(folder, 'nginx.conf');
  await writeFile(configFile, configOf({ port, isRoot: process.getuid?.() === 0 }));
  const service = await startService(command, ['-c', configFile]);
  try {
    await Promise.race([
      acceptsSoon(port, signal),
      service.ended.then((text) => Promise.reject(new Error(`nginx ended: ${text}`))),
    ]);
  } catch (error) {
    await service.stop();
    throw error;
  }
  return { port, pid: service.pid, stop: service.stop };
}

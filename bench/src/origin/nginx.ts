import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { acceptsSoon, freePort } from '@rbee/testing';
import { type Service, startService } from '../process/service.ts';
import { type NginxSetup, nginxConfig } from './nginx-config.ts';

export type NginxOptions = Omit<NginxSetup, 'port' | 'isRoot'> & { readonly command: string };

export interface Nginx extends Pick<Service, 'pid' | 'stop'> {
  /** On 127.0.0.1. */
  readonly port: number;
}

/** An nginx of our own on loopback. The caller stops it. @throws Error with nginx's words when it does not start */
export async function startNginx({ command, ...setup }: NginxOptions, signal: AbortSignal): Promise<Nginx> {
  await mkdir(setup.folder, { recursive: true });
  const port = await freePort();
  const configFile = join(setup.folder, 'nginx.conf');
  await writeFile(configFile, nginxConfig({ ...setup, port, isRoot: process.getuid?.() === 0 }));
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

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { acceptsSoon, freePort, makeCertificate } from '@rbee/testing';
import type { Line } from '../line/delayed-pipe.ts';
import { startLine } from '../line/line-service.ts';
import { cpuSecondsOfTree } from '../process/proc.ts';
import { type Service, startService } from '../process/service.ts';
import { filePath, type NginxSetup, nginxConfig, type OriginFile } from './nginx-config.ts';

export interface OriginOptions {
  /** For the origin alone; it exists. */
  readonly folder: string;
  readonly file: OriginFile;
  readonly nginx: string;
  /** Needs openssl. */
  readonly isTls: boolean;
  readonly serverBytesPerSecondEach: number | null;
  readonly line: Line | null;
}

export interface Origin {
  readonly url: string;
  readonly hubUrl: string;
  readonly caFile: string | null;
  /** Of the origin and the line in front of it, so far. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

/** nginx with the file, behind a line where one is given. The caller stops it. */
export async function startOrigin(options: OriginOptions, signal: AbortSignal): Promise<Origin> {
  const { folder, file, isTls, serverBytesPerSecondEach: bytesPerSecondEach, line } = options;
  const certificate = isTls ? await makeCertificate(folder) : null;
  const nginx = await startNginx(options.nginx, { folder, file, certificate, bytesPerSecondEach }, signal);
  const services: Pick<Service, 'pid' | 'stop'>[] = [nginx];
  const stop = async (): Promise<void> => {
    await Promise.all(services.map((service) => service.stop()));
  };
  try {
    const far = line === null ? null : await startLine(nginx.port, line);
    if (far !== null) services.push(far);
    const hubUrl = `${certificate === null ? 'http' : 'https'}://127.0.0.1:${far?.port ?? nginx.port}`;
    return {
      url: `${hubUrl}${filePath}`,
      hubUrl,
      caFile: certificate?.certificateFile ?? null,
      cpuSeconds: () => services.reduce((sum, { pid }) => sum + cpuSecondsOfTree(pid), 0),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** On a free port of loopback. @throws Error with nginx's stderr when it does not start */
async function startNginx(command: string, setup: Omit<NginxSetup, 'port' | 'isRoot'>, signal: AbortSignal) {
  const port = await freePort();
  const configFile = join(setup.folder, 'nginx.conf');
  await writeFile(configFile, nginxConfig({ ...setup, port, isRoot: process.getuid?.() === 0 }));
  const service = await startService(command, ['-c', configFile]);
  try {
    const ended = service.ended.then((text) => Promise.reject(new Error(`nginx ended: ${text}`)));
    await Promise.race([acceptsSoon(port, signal), ended]);
  } catch (error) {
    await service.stop();
    throw error;
  }
  return { port, pid: service.pid, stop: service.stop };
}

import { makeCertificate } from '@rbee/testing';
import { type NginxPlace, startNginxProcess } from '../process/nginx-process.ts';
import { cpuSecondsOfTree } from '../process/proc.ts';
import type { Service } from '../process/service.ts';
import type { Line } from '../proxy/delayed-pipe.ts';
import { startLine } from '../proxy/line-service.ts';
import { filePath, nginxConfig, type OriginFile } from './nginx-config.ts';

export interface OriginOptions {
  /** Of the origin's own; it is made. */
  readonly folder: string;
  readonly file: OriginFile;
  readonly nginx: string;
  /** Whether the origin speaks TLS, for which openssl has to be there. */
  readonly isTls: boolean;
  readonly serverBytesPerSecondEach: number | null;
  readonly line: Line | null;
}

export interface Origin {
  readonly url: string;
  readonly hubUrl: string;
  readonly caFile: string | null;
  /** What the origin and the line in front of it have cost so far. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

/** nginx with the file, and the line in front of it where there is one. The caller stops it. */
export async function startOrigin(options: OriginOptions, signal: AbortSignal): Promise<Origin> {
  const { folder, file, isTls, serverBytesPerSecondEach: bytesPerSecondEach, line } = options;
  const certificate = isTls ? await makeCertificate(folder) : null;
  const setup = { folder, file, certificate, bytesPerSecondEach };
  const configOf = (place: NginxPlace) => nginxConfig({ ...setup, ...place });
  const nginx = await startNginxProcess(options.nginx, folder, configOf, signal);
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

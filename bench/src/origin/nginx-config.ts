import { join } from 'node:path';
import type { Certificate } from '@rbee/testing';

export interface NginxSetup {
  readonly port: number;
  /** Where nginx may write. */
  readonly folder: string;
  readonly file: OriginFile;
  /** null for plain HTTP. */
  readonly certificate: Certificate | null;
  /** null for no limit. */
  readonly bytesPerSecondEach: number | null;
  /** Workers started by root stay root: others could not enter root's folders. */
  readonly isRoot: boolean;
}

export interface OriginFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** The plain path of the file. */
export const filePath = '/model.bin';
/** Where a client of the Hugging Face hub finds it. */
export const hubRepo = { name: 'bench/model', revision: 'main', file: 'model.bin' } as const;

/**
 * nginx lets the first write of each limited request pass without a wait, and rounds the wait after each write to milliseconds. With
 * its default writes of 2 MiB, ranges of 8 MiB are a third faster than the limit; with writes of 208 KiB, long bodies stay a tenth
 * below it. With 512 KiB, 25 ms at 20 MiB/s, ranges of 16 MiB and whole files both match the limit within 3 %.
 */
const limitedWriteBytes = 512 * 1024;
const requestsPerConnection = 1_000_000;
const writableKinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** The configuration of an nginx that serves one file, and the hub's API as far as a client needs it to get there. */
export function nginxConfig(setup: NginxSetup): string {
  const { port, folder, certificate, isRoot } = setup;
  return `daemon off;
worker_processes auto;
pid ${join(folder, 'nginx.pid')};
error_log stderr warn;
${isRoot ? 'user root;\n' : ''}events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests ${requestsPerConnection};
  default_type application/octet-stream;
${writableKinds.map((kind) => `  ${kind}_temp_path ${join(folder, kind)};\n`).join('')}  server {
    listen 127.0.0.1:${port}${certificate === null ? '' : ' ssl'};
${serverLines(setup)
  .map((line) => `    ${line}\n`)
  .join('')}  }
}
`;
}

function serverLines({ certificate, bytesPerSecondEach, file }: NginxSetup): string[] {
  const { name, revision, file: hubFile } = hubRepo;
  const tls =
    certificate === null
      ? []
      : [`ssl_certificate ${certificate.certificateFile};`, `ssl_certificate_key ${certificate.keyFile};`];
  const limit =
    bytesPerSecondEach === null
      ? []
      : [`limit_rate ${bytesPerSecondEach};`, `sendfile_max_chunk ${limitedWriteBytes};`];
  const info = JSON.stringify([
    {
      type: 'file',
      path: hubFile,
      size: file.sizeBytes,
      oid: file.sha256,
      lfs: { oid: file.sha256, size: file.sizeBytes },
    },
  ]);
  return [
    ...tls,
    ...limit,
    `location = ${filePath} { alias ${file.path}; }`,
    `location = /${name}/resolve/${revision}/${hubFile} { alias ${file.path}; }`,
    `location = /api/models/${name}/paths-info/${revision} { default_type application/json; return 200 '${info}'; }`,
  ];
}

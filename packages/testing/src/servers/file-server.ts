import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startProgram } from '../program.ts';
import { apacheConfig } from './apache-config.ts';
import { caddyConfig } from './caddy-config.ts';
import type { FileServerSetup } from './file-server-setup.ts';
import { findCommand } from './find-command.ts';
import { nginxConfig } from './nginx-config.ts';
import { acceptsSoon, freePort } from './port.ts';

export type FileServerName = 'nginx' | 'caddy' | 'apache2';

export interface FileServerOptions {
  /** For the server alone; it is created. Everybody must be able to enter its parents, because some servers drop privileges. */
  readonly folder: string;
  /** Self-signed, for 127.0.0.1. */
  readonly certificate: { readonly certificateFile: string; readonly keyFile: string };
  /** Apache only: how many requests it serves concurrently, while others wait; default unlimited. */
  readonly requestsAtOnce?: number;
}

/**
 * A real web server on loopback with the files of one folder. The first part of a path selects the behaviour: `files` its normal
 * one, or that of a switch (see `FileServerSwitch`); `whole` without ranges; `packed` with gzip; `loop` redirects to itself;
 * `capped` serves one request at a time and sends 503 to others (not apache2); `slow` sends 400 KiB/s (not caddy).
 */
export interface FileServer {
  readonly url: string;
  /** The same over TLS, which offers HTTP/2. */
  readonly tlsUrl: string;
  /** Where its files are. */
  readonly root: string;
  stop(): Promise<void>;
}

/**
 * While a file `x.<switch>` is next to `x`, `/files/x` responds with 503, with 429 and `Retry-After: 1`, or with 200 and a login
 * page.
 */
export type FileServerSwitch = 'busy' | 'throttled' | 'portal';

interface Kind {
  readonly args: (configFile: string) => readonly string[];
  readonly config: (setup: FileServerSetup) => string;
}

const kinds: Readonly<Record<FileServerName, Kind>> = {
  nginx: { args: (file) => ['-c', file], config: nginxConfig },
  caddy: { args: (file) => ['run', '--adapter', 'caddyfile', '--config', file], config: caddyConfig },
  apache2: { args: (file) => ['-DFOREGROUND', '-f', file], config: apacheConfig },
};

/** Another program may take the free port before the server does. */
const maxStarts = 3;
const folderMode = 0o755;
const page = '<!doctype html><html><head><title>Sign in</title></head><body>Sign in to this network</body></html>';

/** Starts a server as a process; the caller stops it. @throws Error with the server's output when it does not start */
export async function startFileServer(name: FileServerName, options: FileServerOptions): Promise<FileServer> {
  const command = findCommand(name);
  if (command === null) throw new Error(`${name} is not installed`);
  const { folder, certificate, requestsAtOnce = null } = options;
  const root = join(folder, 'root');
  await mkdir(root, { recursive: true, mode: folderMode });
  await writeFile(join(root, 'portal.html'), page);
  for (let start = 1; ; start += 1) {
    const [port, tlsPort] = [await freePort(), await freePort()];
    const isRoot = process.getuid?.() === 0;
    const setup = { folder, root, port, tlsPort, certificate, isRoot, requestsAtOnce };
    const configFile = join(folder, 'server.conf');
    await writeFile(configFile, kinds[name].config(setup));
    // Caddy keeps its state in its home.
    const program = await startProgram({ command, args: kinds[name].args(configFile), env: { HOME: folder } });
    const isUp = await Promise.race([
      Promise.all([acceptsSoon(port), acceptsSoon(tlsPort)]).then(() => true),
      program.exited.then(() => false),
    ]).catch(async (error: unknown) => {
      await program.kill();
      throw error;
    });
    if (isUp) {
      const [url, tlsUrl] = [`http://127.0.0.1:${port}`, `https://127.0.0.1:${tlsPort}`];
      return { url, tlsUrl, root, stop: async () => void (await program.stop()) };
    }
    if (start >= maxStarts) throw new Error(`${name} ended at its start: ${program.stderr()}`);
  }
}

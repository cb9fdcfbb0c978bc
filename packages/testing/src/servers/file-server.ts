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
  /** Of the server's own; it is made. Everybody may enter its parents, for some servers give up their rights. */
  readonly folder: string;
  /** Self-signed, for 127.0.0.1. */
  readonly certificate: { readonly certificateFile: string; readonly keyFile: string };
  /** Apache only: requests that it works on at once, while others wait for their turn; default as many as come. */
  readonly requestsAtOnce?: number;
}

/**
 * A real web server on loopback with the files of one folder. The first part of a path says how it behaves: `files` as it is
 * known for, and with a switch (see `FileServerSwitch`); `whole` without ranges; `packed` with gzip; `loop` redirects to itself;
 * `capped` takes one request at a time and answers 503 to others (not apache2); `slow` sends 400 KiB/s (not caddy).
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
 * A file beside `x`, `x.<switch>`, changes what is answered for `/files/x` for as long as it is there: 503; 429 with
 * `Retry-After: 1`; 200 and a page to log in to.
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

/** A port that was free may be taken by another program before the server has it. */
const maxStarts = 3;
const folderMode = 0o755;
const page = '<!doctype html><html><head><title>Sign in</title></head><body>Sign in to this network</body></html>';

/** Starts a server as a process of its own; the caller stops it. @throws Error with the server's words where it does not start */
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
    // Caddy keeps what it likes to keep in its home.
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

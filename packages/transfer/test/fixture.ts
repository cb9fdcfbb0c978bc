import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from 'undici';
import {
  createReadPool,
  type FileRequest,
  type TransferNotice,
  type TransferOptions,
  type TransferState,
} from '../src/index.ts';
import { type FaultServer, type ServedFile, serve, startFaultServer } from './fault-server.ts';

export const sha256Of = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
export const gitSha1Of = (content: Buffer): string =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');

/** Short delays, so that tests with many retries are quick. */
const quickRetry = { attempts: 6, baseDelayMs: 1, maxDelayMs: 4 };
/** What takes longer than this hangs. */
export const generousTimeoutMs = 60_000;

export interface Fixture {
  readonly server: FaultServer;
  readonly file: ServedFile & { readonly content: Buffer };
  readonly folder: string;
  readonly partialPath: string;
  readonly finalPath: string;
  readonly notices: TransferNotice[];
  readonly states: TransferState[];
  readonly abort: AbortController;
  request(change?: Partial<FileRequest>): FileRequest;
  options(change?: Partial<TransferOptions>): TransferOptions;
  /** Resolves with the first state of a transfer that fits. */
  until(fits: (state: TransferState) => boolean): Promise<TransferState>;
  finalContent(): Promise<Buffer>;
  /** Names in the folder of the partial and the final file. */
  names(): Promise<string[]>;
  close(): Promise<void>;
}

/** Made once per test file and size: random bytes and their digest are most of what a fixture costs. Nobody changes them. */
const contents = new Map<number, { readonly content: Buffer; readonly sha256: string }>();
function contentOf(size: number) {
  const made = contents.get(size);
  if (made !== undefined) return made;
  const content = randomBytes(size);
  const one = { content, sha256: sha256Of(content) };
  contents.set(size, one);
  return one;
}

/** A server with one file, a folder, an agent, and a request and options that fit them. */
export async function createFixture(size = 3_000_000, etag: string | null = '"v1"'): Promise<Fixture> {
  const { content, sha256 } = contentOf(size);
  const file = etag === null ? { content } : { content, etag };
  const server = await startFaultServer(serve(file));
  const folder = await mkdtemp(join(tmpdir(), 'rbee-transfer-'));
  const pool = createReadPool();
  const dispatcher = new Agent({ allowH2: false, connect: pool.buildConnector({ allowH2: false }) });
  const partialPath = join(folder, 'blob.rbee-partial');
  const finalPath = join(folder, 'blob');
  const notices: TransferNotice[] = [];
  const states: TransferState[] = [];
  const abort = new AbortController();
  const waiters = new Set<(state: TransferState) => void>();
  return {
    server,
    file,
    folder,
    partialPath,
    finalPath,
    notices,
    states,
    abort,
    request: (change) => ({
      locate: async () => ({ url: `${server.url}/model.bin?signature=secret` }),
      partialPath,
      finalPath,
      size,
      sha256,
      gitSha1: null,
      name: 'model.bin',
      ...change,
    }),
    options: (change) => ({
      signal: abort.signal,
      dispatcher,
      pool,
      headersTimeoutMs: generousTimeoutMs,
      stallTimeoutMs: generousTimeoutMs,
      stopTimeoutMs: generousTimeoutMs,
      retry: quickRetry,
      onState: (state) => {
        states.push(state);
        for (const look of waiters) look(state);
      },
      onNotice: (notice) => void notices.push(notice),
      ...change,
    }),
    until: (fits) =>
      new Promise((resolve) => {
        const look = (state: TransferState) => {
          if (!fits(state)) return;
          waiters.delete(look);
          resolve(state);
        };
        waiters.add(look);
        for (const state of [...states]) look(state);
      }),
    finalContent: () => readFile(finalPath),
    names: async () => (await readdir(folder)).sort(),
    close: async () => {
      await dispatcher.destroy();
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

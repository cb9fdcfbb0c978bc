import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import type { TcpNetConnectOpts } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ERROR_CODES, type ErrorCode, RbeeError } from '@rbee/contract';
import { Agent, type buildConnector, type Dispatcher } from 'undici';
import { expect } from 'vitest';
import {
  createLimiter,
  createReadPool,
  type FileRequest,
  type ReadPool,
  type TransferNotice,
  type TransferOptions,
  type TransferResult,
  type TransferState,
  transferFile,
} from '../src/index.ts';
import { endsAfter, paced } from './paced.ts';

const MiB = 2 ** 20;
/** Large enough that a transfer tries several connections while it is held to the paces below. */
export const manySize = 40 * MiB;
const manyBytesPerSecond = 16 * MiB;
/** After so much what the test waits for still has time to come, however busy the machine is. */
const slowAfterBytes = 8 * MiB;
const slowBytesPerSecond = 4 * MiB;
const quickRetry = { attempts: 6, baseDelayMs: 5, maxDelayMs: 20 };
/** What has not ended by then hangs: no wait of these tests is longer than a few seconds. */
const hangsAfterMs = 90_000;
/** An abort ends a transfer at once; this is for a busy machine. */
const abortLimitMs = 20_000;
const generousTimeoutMs = 60_000;

export type Ways = 'one' | 'several';

export interface Try {
  readonly url: string;
  /** Contents of which any one may stand under the final name in the end. */
  readonly right: readonly Buffer[];
  readonly ways: Ways;
  readonly request?: Partial<FileRequest>;
  readonly options?: Partial<TransferOptions>;
  /** Called once, at the first byte. */
  readonly onFirstByte?: () => void;
  /** The pace is held until this many notices have come; left out: until there are several connections. */
  readonly holdUntilNotices?: number;
  readonly onNotice?: (notice: TransferNotice) => void;
  /** Ends it when so much is there, of which hardly more comes. */
  readonly abortAtBytes?: number;
}

export interface Ending {
  /** null: the file is there and right. */
  readonly code: ErrorCode | 'aborted' | null;
  readonly error: unknown;
  readonly result: TransferResult | null;
  readonly notices: readonly TransferNotice[];
  readonly states: readonly TransferState[];
  readonly mostConnections: number;
  /** Whether the transfer began again after the first time. */
  readonly hasFailedAttempt: boolean;
}

export interface Place {
  readonly folder: string;
  readonly partialPath: string;
  readonly finalPath: string;
  /** Runs a transfer and holds it to what every one has to keep: see `expectGoodEnding`. */
  run(one: Try): Promise<Ending>;
  close(): Promise<void>;
}

/** How the sockets of a test's agent are opened, and whether HTTP/2 is spoken where it is offered. */
export interface ConnectOptions extends Pick<TcpNetConnectOpts, 'lookup' | 'autoSelectFamily'> {
  readonly ca?: Buffer;
  readonly allowH2?: boolean;
}

/** A folder and an agent, whose sockets read into a pool as a hive's do, for transfers of one file. */
export async function createPlace({ allowH2 = false, ...connect }: ConnectOptions = {}): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'rbee-transfer-'));
  const paths = { partialPath: join(folder, 'blob.rbee-partial'), finalPath: join(folder, 'blob') };
  const pool = createReadPool();
  const agent = new Agent({
    allowH2,
    connect: pool.buildConnector({ ...connect, allowH2 } as buildConnector.BuildOptions),
  });
  return {
    folder,
    ...paths,
    run: (one) => expectGoodEnding(one, paths, agent, pool),
    close: async () => {
      await agent.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * What holds for every transfer, whatever the server does: it ends; with the right file or with a code of the contract; and
 * at no moment do other bytes stand under the final name.
 */
async function expectGoodEnding(
  one: Try,
  paths: Pick<Place, 'partialPath' | 'finalPath'>,
  dispatcher: Dispatcher,
  pool: ReadPool,
) {
  const finalPath = one.request?.finalPath ?? paths.finalPath;
  const notices: TransferNotice[] = [];
  const states: TransferState[] = [];
  const abort = new AbortController();
  const hang = AbortSignal.timeout(hangsAfterMs);
  const signal = AbortSignal.any([abort.signal, hang]);
  const pace = createLimiter(one.ways === 'several' ? manyBytesPerSecond : null);
  let isFree = false;
  const network = paced(dispatcher, pace, signal);
  const lookForFile = () => expect(existsSync(finalPath), 'a final name before the end').toBe(false);
  const onState = (state: TransferState) => {
    lookForFile();
    if (state.bytes > state.reused && !states.some(({ bytes, reused }) => bytes > reused)) one.onFirstByte?.();
    states.push(state);
    if (state.bytes >= (one.abortAtBytes ?? Number.POSITIVE_INFINITY)) abort.abort(new Error('aborted by the test'));
    if (one.ways !== 'several' || one.abortAtBytes !== undefined || one.options?.maxConnections === 1) return;
    if (one.holdUntilNotices === undefined && state.connections > 1) isFree = true;
    const isEarly = state.bytes - state.reused < slowAfterBytes;
    const next = isFree ? null : isEarly ? manyBytesPerSecond : slowBytesPerSecond;
    if (pace.bytesPerSecond !== next) pace.set(next);
  };
  const onNotice = (notice: TransferNotice) => {
    lookForFile();
    notices.push(notice);
    one.onNotice?.(notice);
    if (notices.length !== one.holdUntilNotices) return;
    isFree = true;
    pace.set(null);
  };
  const request: FileRequest = {
    locate: async () => ({ url: one.url }),
    ...paths,
    size: null,
    sha256: null,
    gitSha1: null,
    name: 'model.bin',
    ...one.request,
  };
  lookForFile();
  const outcome = await settled(
    transferFile(request, {
      signal,
      dispatcher: one.abortAtBytes === undefined ? network : paced(network, endsAfter(one.abortAtBytes), signal),
      pool,
      headersTimeoutMs: generousTimeoutMs,
      stallTimeoutMs: generousTimeoutMs,
      stopTimeoutMs: generousTimeoutMs,
      retry: quickRetry,
      maxConnections: one.ways === 'one' ? 1 : 4,
      onState,
      onNotice,
      ...one.options,
    }),
    hang,
  );
  const code = codeOf(outcome.error, abort.signal);
  if (code === null) await expectRightFile(finalPath, request.partialPath, one.right);
  else expect(existsSync(finalPath), 'a final name after a failure').toBe(false);
  const mostConnections = Math.max(0, ...states.map(({ connections }) => connections));
  const hasFailedAttempt = states.some(({ attempt }) => attempt > 1);
  return { code, ...outcome, notices, states, mostConnections, hasFailedAttempt };
}

type Outcome = Pick<Ending, 'result' | 'error'>;

async function settled(transfer: Promise<TransferResult>, hang: AbortSignal): Promise<Outcome> {
  const outcome = transfer.then(
    (result): Outcome => ({ result, error: null }),
    (error: unknown): Outcome => ({ result: null, error }),
  );
  const late = Promise.withResolvers<never>();
  const onHang = () => {
    setTimeout(() => late.reject(new Error('the transfer does not even end when it is aborted')), abortLimitMs).unref();
  };
  hang.addEventListener('abort', onHang, { once: true });
  const ended = await Promise.race([outcome, late.promise]);
  hang.removeEventListener('abort', onHang);
  if (hang.aborted) throw new Error('the transfer hangs');
  return ended;
}

function codeOf(error: unknown, abort: AbortSignal): Ending['code'] {
  if (error === null) return null;
  if (abort.aborted) {
    expect(error).toBe(abort.reason);
    return 'aborted';
  }
  if (!(error instanceof RbeeError)) throw error;
  expect(Object.keys(ERROR_CODES)).toContain(error.code);
  return error.code;
}

async function expectRightFile(finalPath: string, partialPath: string, right: readonly Buffer[]): Promise<void> {
  const content = await readFile(finalPath);
  expect(
    right.some((one) => one.equals(content)),
    'the right file under the final name',
  ).toBe(true);
  const beside = await readdir(join(partialPath, '..'));
  expect(beside.filter((name) => /\.(?:incomplete|rbee-[a-z-]+)$/.test(name))).toEqual([]);
}

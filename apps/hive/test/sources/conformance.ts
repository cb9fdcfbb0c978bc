import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assertRepoPath, parseModelRef, RbeeError } from '@rbee/contract';
import { type HubRequest, tempDir } from '@rbee/testing';
import { transferFile } from '@rbee/transfer';
import type { Dispatcher } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { createSourceDispatcher } from '../../src/sources/http/dispatcher.ts';
import type { HttpClient } from '../../src/sources/http/request.ts';
import { copyLocal } from '../../src/sources/local/copy-local.ts';
import type { ResolvedModel, SourceFile } from '../../src/sources/source.ts';
import { createLayout } from '../../src/store/layout.ts';

/** What the suite needs to know and do of a source with one model behind it. */
export interface SourceUnderTest {
  /** What the ref is; it has to come back from the pinned one. */
  readonly scheme: string;
  /** The bytes of the model's only file, as they are now. */
  content(): Buffer;
  resolve(signal: AbortSignal): Promise<ResolvedModel>;
  /** Asks for something that is not there. */
  resolveMissing(signal: AbortSignal): Promise<ResolvedModel>;
  /** Puts another version in its place. */
  change(): Promise<void> | void;
  /** Of a source that is asked over a network; null otherwise. */
  readonly network: NetworkUnderTest | null;
}

interface NetworkUnderTest {
  /** The server that is asked first takes the next request and never answers. */
  hang(): void;
  /** It answers the next request with a status. */
  refuse(status: number, headers?: Record<string, string>): void;
  /** From now on what should lead to the bytes leads to that address. */
  redirectTo(target: string): void;
  /** Every request so far that was made to another server than the one that tokens are for. */
  elsewhere(): readonly HubRequest[];
  /** Requests so far, wherever. */
  count(): number;
  inFlight(): number;
  waitFor(condition: () => boolean, what: string): Promise<void>;
}

/** What a set-up is given: what the source asks with, and where to put what has to be closed. */
export interface Bench {
  /** `own` are origins that the guard lets through. */
  client(own: readonly string[]): HttpClient;
  readonly folder: string;
  onEnd(close: () => unknown): void;
}

const within = () => AbortSignal.timeout(15_000);

/** Where a redirect may not lead, whatever source it comes from. */
const FORBIDDEN_TARGETS = [
  'http://127.0.0.1:9/x.gguf',
  'http://localhost:9/x.gguf',
  'http://2130706433:9/x.gguf',
  'http://0/x.gguf',
  'http://10.0.0.1/x.gguf',
  'http://169.254.169.254/latest/meta-data/',
  'http://[::1]:9/x.gguf',
  'http://[::ffff:127.0.0.1]:9/x.gguf',
  'http://[::ffff:a9fe:a9fe]/latest/meta-data/',
  'http://[64:ff9b::7f00:1]/x.gguf',
  'http://[fd00:ec2::254]/latest/meta-data/',
  'http://user:secret@models.example/x.gguf',
  'https://user@models.example/x.gguf',
  'file:///etc/passwd',
  'ftp://models.example/x.gguf',
  'data:application/octet-stream,x',
];

/** What every source has to do, whatever stands behind it. */
export function describeSource(
  name: string,
  setUp: (bench: Bench) => Promise<SourceUnderTest>,
  { hasNetwork = true }: { hasNetwork?: boolean } = {},
): void {
  describe(`the source ${name}`, () => {
    const closing: (() => unknown)[] = [];
    afterEach(async () => {
      for (const close of closing.splice(0).reverse()) await close();
    });

    const start = async () => {
      const bench = await openBench(closing);
      return { ...(await setUp(bench)), folder: bench.folder, bench };
    };
    const startWithNetwork = async () => {
      const source = await start();
      if (source.network === null) throw new Error(`${name} has no network`);
      return { ...source, network: source.network };
    };

    it('names a version, and a place that the store takes', async () => {
      const source = await start();
      const model = await source.resolve(within());
      const layout = createLayout(join(source.folder, 'hub'));
      expect(model.commit).toMatch(/^[0-9a-f]{40}$/);
      expect(model.place.startsWith(`${source.scheme}:`)).toBe(true);
      expect(layout.snapshotFolder(model.place, model.commit).startsWith(source.folder)).toBe(true);
      expect(layout.ref(model.place, model.revision).startsWith(source.folder)).toBe(true);
      expect(model.title).not.toBe('');
    });

    it('has a pinned ref that can be read back', async () => {
      const source = await start();
      const model = await source.resolve(within());
      const sha256 = sha256Of(source.content());
      for (const known of [null, sha256]) {
        expect(parseModelRef(model.pinnedRef(known))).toMatchObject({ scheme: source.scheme });
      }
    });

    it('gives its files safe paths, safe blob names, and the right sizes and digests', async () => {
      const source = await start();
      const { place, files, commit } = await source.resolve(within());
      const layout = createLayout(join(source.folder, 'hub'));
      expect(files).toHaveLength(1);
      for (const file of files) {
        expect(assertRepoPath(file.path, 'DOWNLOAD_FAILED')).toBe(file.path);
        expect(layout.blob(place, file.blobName).startsWith(layout.placeFolder(place))).toBe(true);
        expect(layout.snapshotFile(place, commit, file.path).startsWith(source.folder)).toBe(true);
        expect(file.size).toBe(source.content().length);
        expect([null, sha256Of(source.content())]).toContain(file.sha256);
        // Digits alone could be taken for a digest of the content, which only a name that is one may look like.
        if (/^[0-9a-f]{64}$/.test(file.blobName)) expect(file.blobName).toBe(file.sha256);
        if (/^[0-9a-f]{40}$/.test(file.blobName)) expect(file.blobName).toBe(file.gitSha1);
      }
    });

    it('locates the right bytes, the first time and again', async () => {
      const source = await start();
      const { files } = await source.resolve(within());
      for (const target of ['first', 'again']) {
        const path = await fetchTo(source.bench, target, files[0]);
        expect((await readFile(path)).equals(source.content())).toBe(true);
      }
    });

    it('resolves to the same version until the file changes, then to another in the same place', async () => {
      const source = await start();
      const first = await source.resolve(within());
      const second = await source.resolve(within());
      expect(namesOf(second)).toEqual(namesOf(first));
      await source.change();
      const third = await source.resolve(within());
      expect(third.place).toBe(first.place);
      expect(third.commit).not.toBe(first.commit);
      expect(third.files[0].blobName).not.toBe(first.files[0].blobName);
      expect((await readFile(await fetchTo(source.bench, 'new', third.files[0]))).equals(source.content())).toBe(true);
    });

    it('reports a missing file as not retryable', async () => {
      const source = await start();
      const error = await source.resolveMissing(within()).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(RbeeError);
      expect(error).toMatchObject({ code: 'MODEL_NOT_FOUND', retryable: false });
    });

    it('sends no request once it is aborted', async () => {
      const source = await start();
      const reason = new Error('enough');
      await expect(source.resolve(AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(source.network?.count() ?? 0).toBe(0);
    });

    if (!hasNetwork) return;

    it('stops at an abort, and leaves no request behind', async () => {
      const { network, resolve } = await startWithNetwork();
      network.hang();
      const controller = new AbortController();
      const asked = resolve(controller.signal);
      asked.catch(() => {});
      await network.waitFor(() => network.inFlight() === 1, 'the request');
      const reason = new Error('enough');
      controller.abort(reason);
      await expect(asked).rejects.toBe(reason);
      await network.waitFor(() => network.inFlight() === 0, 'the request to be gone');
    });

    it.each([
      [503, { 'Retry-After': '7' }, { code: 'SOURCE_UNAVAILABLE', retryAfterMs: 7_000 }],
      [429, {}, { code: 'SOURCE_UNAVAILABLE' }],
      [502, {}, { code: 'SOURCE_UNAVAILABLE' }],
    ])('turns %s into a retryable code', async (status, headers, expected) => {
      const { network, resolve } = await startWithNetwork();
      network.refuse(status, headers as Record<string, string>);
      await expect(resolve(within())).rejects.toMatchObject(expected);
    });

    it('sends what belongs to one origin to no other', async () => {
      const source = await startWithNetwork();
      const { network } = source;
      const { files } = await source.resolve(within());
      await fetchTo(source.bench, 'first', files[0]);
      for (const { headers } of network.elsewhere()) {
        expect(headers).not.toHaveProperty('authorization');
        expect(headers).not.toHaveProperty('cookie');
      }
    });

    it.each(FORBIDDEN_TARGETS)('does not follow a redirect to %s', async (target) => {
      const source = await startWithNetwork();
      const { network } = source;
      network.redirectTo(target);
      const fetched = source.resolve(within()).then(({ files }) => fetchTo(source.bench, 'refused', files[0]));
      const error = await fetched.catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'SOURCE_NOT_ALLOWED' });
      expect(JSON.stringify([(error as RbeeError).message, (error as RbeeError).hint])).not.toMatch(/secret|meta-data/);
      expect(await readdir(source.folder)).not.toContain('refused');
    });
  });
}

function namesOf({ place, commit, revision, files }: ResolvedModel) {
  return { place, commit, revision, files: files.map(({ path, blobName }) => ({ path, blobName })) };
}

export function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Fetches a file as the hive does; the answer is where it is. */
async function fetchTo({ folder, dispatcher }: OpenBench, name: string, file: SourceFile): Promise<string> {
  const finalPath = join(folder, name);
  const to = { partialPath: `${finalPath}.rbee-partial`, finalPath, sha256: file.sha256, name: file.path };
  const options = { signal: within(), onState: () => {}, onNotice: () => {} };
  if (file.local !== undefined) {
    await copyLocal({ ...to, original: file.local }, options);
    return finalPath;
  }
  const { size, gitSha1, locate } = file;
  const timeouts = { headersTimeoutMs: 5_000, stallTimeoutMs: 5_000 };
  const retry = { attempts: 1, baseDelayMs: 1, maxDelayMs: 1 };
  await transferFile({ ...to, size, gitSha1, locate }, { ...options, ...timeouts, retry, dispatcher });
  return finalPath;
}

type OpenBench = Bench & { readonly dispatcher: Dispatcher };

async function openBench(closing: (() => unknown)[]): Promise<OpenBench> {
  const folder = await tempDir();
  const origins = new Set<string>();
  const dispatcher = createSourceDispatcher({ exemptOrigins: origins, allowPrivate: false });
  closing.push(
    () => folder.remove(),
    () => dispatcher.destroy(),
  );
  return {
    folder: folder.path,
    dispatcher,
    onEnd: (close) => closing.push(close),
    client(own) {
      for (const origin of own) origins.add(origin);
      return { dispatcher, headersTimeoutMs: 5_000, userAgent: 'test/1' };
    },
  };
}

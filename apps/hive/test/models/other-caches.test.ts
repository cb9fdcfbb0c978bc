import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { scanCacheDir } from '@huggingface/hub';
import { makeSampleGguf } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gitSha1Of, sha256Of } from '../store/support.ts';
import { startTestHive, type TestHive } from './support.ts';

// Goal: what other tools have put into the cache, in whichever of their ways, is listed, verified and used without a byte
// from the network, and never harmed. Method: a cache as the tool leaves it, the hive with its hub, and what reaches the hub.

const GGUF = makeSampleGguf({ size: 300_000, seed: 3 });
const CONFIG = '{"model_type":"llama"}';
const WEIGHTS = sha256Of(GGUF);
const REPO = 'models--org--model';
const REF = 'hf:org/model::file=model.gguf';

let hive: TestHive;
let commit: string;
beforeEach(async () => {
  hive = await startTestHive();
  commit = hive.hub.addRepo({
    id: 'org/model',
    files: { 'model.gguf': GGUF, 'config.json': Buffer.from(CONFIG), 'README.md': Buffer.from('# A') },
  }).commit;
});
afterEach(() => hive.close());

const repo = (...parts: string[]) => join(hive.modelsDir, REPO, ...parts);
const snapshot = (path: string) => repo('snapshots', commit, path);
const download = (model = REF) => hive.run({ operation: 'model_download', model });
const refs = async () =>
  ((await hive.api('GET', '/v2/models')).body['models'] as { model_ref: string }[]).map(({ model_ref }) => model_ref);
const idOf = async () => ((await hive.api('GET', '/v2/models')).body['models'] as { model_id: string }[])[0]?.model_id;
const bodies = () => hive.hub.requests.filter(({ method, server }) => method === 'GET' && server === 'cdn');
const newest = async () => ((await hive.api('GET', '/v2/downloads')).body['downloads'] as Record<string, unknown>[])[0];

async function put(path: string, content: string | Buffer): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  return path;
}

async function link(path: string, target: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await symlink(target, path);
}

async function putRef(): Promise<void> {
  await put(repo('refs', 'main'), commit);
}

/** As huggingface_hub 1.32 and newer store a file: once for all repos, with a link in each. */
async function putShared(): Promise<string> {
  const shared = await put(join(hive.modelsDir, 'blobs', 'ab', 'abcdef'.padEnd(64, '0')), GGUF);
  await put(`${shared}.refs`, `${REPO}/blobs/${WEIGHTS}\n`);
  await link(repo('blobs', WEIGHTS), `../../blobs/ab/${basename(shared)}`);
  await link(snapshot('model.gguf'), `../../blobs/${WEIGHTS}`);
  await putRef();
  return shared;
}

const elsewhere = (...parts: string[]) => join(hive.folder.path, 'other-disk', ...parts);

/** Each cache as a tool, or a person, leaves it. */
const CACHES: [name: string, put: () => Promise<unknown>][] = [
  ['a cache of huggingface_hub >= 1.32, with shared blobs', putShared],
  [
    'a blob on another disk by a link',
    async () => {
      await put(elsewhere('weights'), GGUF);
      await link(repo('blobs', WEIGHTS), elsewhere('weights'));
      await link(snapshot('model.gguf'), `../../blobs/${WEIGHTS}`);
      await putRef();
    },
  ],
  [
    'blobs on another disk by a link to their folder',
    async () => {
      await put(elsewhere('blobs', WEIGHTS), GGUF);
      await link(repo('blobs'), elsewhere('blobs'));
      await link(snapshot('model.gguf'), `../../blobs/${WEIGHTS}`);
      await putRef();
    },
  ],
  [
    'a whole repo on another disk by a link',
    async () => {
      await put(repo('blobs', WEIGHTS), GGUF);
      await link(snapshot('model.gguf'), `../../blobs/${WEIGHTS}`);
      await putRef();
      await mkdir(elsewhere(), { recursive: true });
      await rename(repo(), elsewhere(REPO));
      await symlink(elsewhere(REPO), repo());
    },
  ],
  [
    'a link with an absolute path to the blob',
    async () => {
      await put(repo('blobs', WEIGHTS), GGUF);
      await link(snapshot('model.gguf'), repo('blobs', WEIGHTS));
      await putRef();
    },
  ],
  [
    'a link in the snapshot to a file on another disk',
    async () => {
      await put(elsewhere('model.gguf'), GGUF);
      await link(snapshot('model.gguf'), elsewhere('model.gguf'));
      await putRef();
    },
  ],
  [
    'a plain file in the snapshot, without links',
    async () => {
      await put(snapshot('model.gguf'), GGUF);
      await putRef();
    },
  ],
];

describe.each(CACHES)('%s', (_, putCache) => {
  beforeEach(putCache);

  it('[G1] is listed and verified', async () => {
    expect(await refs()).toEqual([`hf:org/model@${commit}::file=model.gguf`]);
    const { payload } = await hive.run({ operation: 'model_verify', id: await idOf() });
    expect(payload).toMatchObject({ models: [{ ok: true, bytes: GGUF.length }] });
  });

  it('[G2] is planned and downloaded with 0 bytes from the network, and stays as it is', async () => {
    const before = await realpath(snapshot('model.gguf'));
    const { payload } = await hive.run({ operation: 'model_plan', model: REF });
    expect(payload).toMatchObject({ present_bytes: GGUF.length, needed_bytes: 0 });
    hive.hub.clearRequests();
    expect((await download()).said.map(({ action }) => action)).toContain('file_present');
    expect(bodies()).toEqual([]);
    expect(await newest()).toMatchObject({ status: 'complete', bytes_reused: GGUF.length });
    expect(await realpath(snapshot('model.gguf'))).toBe(before);
    expect(await refs()).toEqual([`hf:org/model@${commit}::file=model.gguf`]);
    expect((await scanCacheDir(hive.modelsDir)).warnings.filter(({ message }) => !/blobs$/.test(message))).toEqual([]);
  });

  it('[G2] is used while the hub cannot be reached', async () => {
    await hive.hub.close();
    await download();
    expect(await newest()).toMatchObject({ status: 'complete', bytes_reused: GGUF.length });
  });

  it('[G1] loses nothing by a prune', async () => {
    await hive.run({ operation: 'model_prune', dry_run: false });
    expect((await readFile(snapshot('model.gguf'))).equals(GGUF)).toBe(true);
    expect(await refs()).toHaveLength(1);
  });

  it('[G5] is removed without what its links lead to, and leaves no repo behind', async () => {
    const content = await realpath(snapshot('model.gguf'));
    const isOutside = !content.startsWith(repo('blobs')) && !content.startsWith(repo('snapshots'));
    await hive.api('DELETE', `/v2/models/${await idOf()}`);
    expect(await refs()).toEqual([]);
    expect(await readdir(hive.modelsDir)).not.toContain(REPO);
    const isWhole = content.startsWith(elsewhere(REPO)) || content.startsWith(elsewhere('blobs'));
    if (isOutside && !isWhole) expect((await readFile(content)).equals(GGUF)).toBe(true);
  });
});

describe('what cannot be used', () => {
  it('[G2] is a plain file of the right size with other content: it is fetched', async () => {
    await put(snapshot('model.gguf'), Buffer.alloc(GGUF.length, 7));
    await download();
    expect(await newest()).toMatchObject({ status: 'complete', bytes_reused: 0 });
    expect((await readFile(snapshot('model.gguf'))).equals(GGUF)).toBe(true);
  });

  it('[G2] is a plain file that is too short: it is fetched', async () => {
    await put(snapshot('model.gguf'), GGUF.subarray(0, 1_000));
    await download();
    expect(await newest()).toMatchObject({ status: 'complete', bytes_reused: 0 });
  });

  it('[G1] is a link that leads nowhere: a prune removes it, and a download replaces it', async () => {
    await link(repo('blobs', WEIGHTS), '../../blobs/ab/gone');
    await link(snapshot('model.gguf'), `../../blobs/${WEIGHTS}`);
    await putRef();
    expect(await refs()).toEqual([]);
    await download();
    expect((await lstat(repo('blobs', WEIGHTS))).isFile()).toBe(true);
    expect((await readFile(snapshot('model.gguf'))).equals(GGUF)).toBe(true);
  });

  it('[E7] is a folder of a snapshot that leads elsewhere: nothing is written through it', async () => {
    hive.hub.addRepo({ id: 'org/deep', files: { 'sub/model.gguf': GGUF } });
    const { commit: deep } = hive.hub.addRepo({ id: 'org/deep', files: { 'sub/model.gguf': GGUF } });
    await mkdir(elsewhere('victim'), { recursive: true });
    await link(join(hive.modelsDir, 'models--org--deep', 'snapshots', deep, 'sub'), elsewhere('victim'));
    await download('hf:org/deep::file=sub/model.gguf');
    expect(await newest()).toMatchObject({ status: 'failed', error: { code: 'STORE_NOT_WRITABLE' } });
    expect(await readdir(elsewhere('victim'))).toEqual([]);
  });

  it('[E7] is a folder of refs that leads elsewhere: nothing is written through it', async () => {
    await mkdir(elsewhere('victim'), { recursive: true });
    await link(repo('refs'), elsewhere('victim'));
    await download();
    expect(await newest()).toMatchObject({ status: 'failed', error: { code: 'STORE_NOT_WRITABLE' } });
    expect(await readdir(elsewhere('victim'))).toEqual([]);
  });
});

describe("other tools' unfinished files", () => {
  const HALF = GGUF.length / 2;
  it.each([
    ['huggingface_hub', `${WEIGHTS}.incomplete`],
    ['huggingface_hub, newer', `${WEIGHTS}.0a1b2c3d.incomplete`],
    ['llama.cpp', `${WEIGHTS}.downloadInProgress`],
  ])('[G6] of %s are listed as partials, and the rest of the file is fetched', async (_, name) => {
    const theirs = await put(repo('blobs', name), GGUF.subarray(0, HALF));
    const { partials, models } = (await hive.api('GET', '/v2/models')).body;
    expect([partials, models]).toMatchObject([[{ path: theirs, bytes: HALF, origin: 'hf:org/model' }], []]);
    const { said } = await download();
    expect(said.map(({ action }) => action)).toContain('partial_adopted');
    expect(await newest()).toMatchObject({ status: 'complete', bytes_reused: HALF });
    expect((await readFile(snapshot('model.gguf'))).equals(GGUF)).toBe(true);
    expect((await readFile(theirs)).equals(GGUF.subarray(0, HALF))).toBe(true);
  });

  it.each([
    ['half of it', HALF],
    ['all of it', GGUF.length],
  ])('[G6] count in a plan: %s', async (_, bytes) => {
    await put(repo('blobs', `${WEIGHTS}.downloadInProgress`), GGUF.subarray(0, bytes));
    const { payload } = await hive.run({ operation: 'model_plan', model: 'hf:org/model::file=model.gguf' });
    expect(payload).toMatchObject({
      present_bytes: bytes,
      needed_bytes: GGUF.length - bytes,
      files: [{ present_bytes: bytes }],
      gguf: expect.anything(),
    });
  });

  it('[G6] that are whole need no byte more', async () => {
    await put(repo('blobs', `${WEIGHTS}.incomplete`), GGUF);
    await download();
    expect(await newest()).toMatchObject({ status: 'complete', bytes_reused: GGUF.length });
  });

  it('[G6] with other content are discarded by the digest', async () => {
    await put(repo('blobs', `${WEIGHTS}.incomplete`), Buffer.alloc(HALF, 7));
    await download();
    expect(await newest()).toMatchObject({ status: 'complete' });
    expect((await readFile(snapshot('model.gguf'))).equals(GGUF)).toBe(true);
  });

  it.each([
    ['a longer one', () => put(repo('blobs', `${WEIGHTS}.incomplete`), Buffer.alloc(GGUF.length + 1))],
    ['an empty one', () => put(repo('blobs', `${WEIGHTS}.incomplete`), '')],
    [
      'a link',
      async () => link(repo('blobs', `${WEIGHTS}.incomplete`), await put(elsewhere('x'), GGUF.subarray(0, HALF))),
    ],
    ['that of another file', () => put(repo('blobs', `${'0'.repeat(64)}.incomplete`), GGUF.subarray(0, HALF))],
  ])('[G6] are not used if it is %s', async (_, putPartial) => {
    await putPartial();
    await download();
    expect(await newest()).toMatchObject({ status: 'complete', bytes_reused: 0 });
  });
});

describe('removing a model that another tool has downloaded', () => {
  const putAll = async (...more: [path: string, content: string][]) => {
    const readme = gitSha1Of('# A');
    await put(repo('blobs', WEIGHTS), GGUF);
    await put(repo('blobs', readme), '# A');
    await link(snapshot('model.gguf'), `../../blobs/${WEIGHTS}`);
    await link(snapshot('README.md'), `../../blobs/${readme}`);
    await put(repo('.no_exist', commit, 'adapter_config.json'), '');
    await put(repo('trees', `${commit}.json`), '[]');
    await put(join(hive.modelsDir, '.locks', REPO, `${WEIGHTS}.lock`), '');
    await putRef();
    for (const [path, content] of more) await put(snapshot(path), content);
  };

  it('[G5] leaves nothing: README, ref, file list, missing names, locks and folder go with it', async () => {
    await putAll();
    await hive.api('DELETE', `/v2/models/${await idOf()}`);
    expect(await readdir(hive.modelsDir)).toEqual(['.locks']);
    expect(await readdir(join(hive.modelsDir, '.locks'))).not.toContain(REPO);
    expect(await scanCacheDir(hive.modelsDir)).toMatchObject({ repos: [], warnings: [] });
  });

  it('[G5] keeps what a program loads by itself, with its ref', async () => {
    await putAll(['tokenizer.json', '{}']);
    await hive.api('DELETE', `/v2/models/${await idOf()}`);
    expect((await readdir(repo('snapshots', commit))).sort()).toEqual(['README.md', 'tokenizer.json']);
    expect(await readFile(repo('refs', 'main'), 'utf8')).toBe(commit);
    expect((await scanCacheDir(hive.modelsDir)).warnings).toEqual([]);
  });
});

describe('a store that is complete', () => {
  it('[E6] gets no new ref if it is the same', async () => {
    await download();
    const before = await lstat(repo('refs', 'main'));
    await download();
    expect((await lstat(repo('refs', 'main'))).ino).toBe(before.ino);
  });

  it('[G4] never has an unfinished file in refs or snapshots', async () => {
    await download();
    const { said } = await download();
    expect(said.at(-1)?.action).toBe('download_complete');
    expect(await readdir(repo('refs'))).toEqual(['main']);
    expect(await readlink(snapshot('model.gguf'))).toBe(`../../blobs/${WEIGHTS}`);
    expect((await readdir(repo('.rbee'))).every((name) => name.endsWith('.json'))).toBe(true);
  });
});

describe('the models folder', () => {
  it('[E3] that was replaced while the hive runs is not written to', async () => {
    await rename(hive.modelsDir, `${hive.modelsDir}-away`);
    await mkdir(hive.modelsDir);
    await download();
    expect(await newest()).toMatchObject({ status: 'failed', bytes: 0, error: { code: 'STORE_NOT_WRITABLE' } });
    expect(JSON.stringify(await newest())).toContain(hive.modelsDir);
    expect(await readdir(hive.modelsDir)).toEqual([]);
    await rm(hive.modelsDir, { recursive: true });
    await rename(`${hive.modelsDir}-away`, hive.modelsDir);
    await download();
    expect(await newest()).toMatchObject({ status: 'complete' });
  });

  it('[E3] that is gone is not made again', async () => {
    await rm(hive.modelsDir, { recursive: true });
    await download();
    expect(await newest()).toMatchObject({ status: 'failed', bytes: 0, error: { code: 'STORE_NOT_WRITABLE' } });
    await expect(lstat(hive.modelsDir)).rejects.toThrow('ENOENT');
  });

  it.skipIf(process.getuid?.() === 0)('[E2] is all that has to be writable', async () => {
    await chmod(hive.folder.path, 0o500);
    await download();
    expect(await newest()).toMatchObject({ status: 'complete' });
    await chmod(hive.folder.path, 0o700);
  });
});

import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { modelListSchema } from '@rbee/contract';
import { type HubOptions, startHub, type TestHub } from '@rbee/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { type Ran, startTestHive, type TestHive } from '../../models/support.ts';

// Whole downloads through a hive, from a hub that is not like the public one.

const CONFIG = Buffer.from('{"a":1}\n');
const FILES = { 'a.json': CONFIG, 'm-Q4_K_M.gguf': { size: 300_000, seed: 1 }, 'z.json': Buffer.from('[]') };

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.close();
});

async function openHive(hubOptions: HubOptions = {}, env: Record<string, string> = {}): Promise<TestHive> {
  const hive = await startTestHive(env, hubOptions);
  open.push(hive);
  return hive;
}

const download = (hive: TestHive, model: string): Promise<Ran> => hive.run({ operation: 'model_download', model });
const actionsOf = ({ said }: Ran): string[] => said.map(({ action }) => action);

/** Where the last download ended. */
async function pathOf(hive: TestHive): Promise<string> {
  const { body } = await hive.api('GET', '/v2/downloads');
  return (body['downloads'] as { path: string }[])[0]?.path ?? '';
}

it.each<[string, HubOptions]>([
  ['no lengths on HEAD', { shape: { heads: 'no_length' } }],
  ['lengths of 0 on HEAD', { shape: { heads: 'zero' } }],
  ['HEAD answered with 404', { shape: { heads: 404 } }],
  ['no list of files', { shape: { tree: 'none' } }],
  ['no list of files and lengths of 0', { shape: { tree: 'none', heads: 'zero', smallFiles: 'direct' } }],
  ['a next page at the hub that it mirrors', { treePageSize: 1, shape: { nextPageOrigin: 'https://huggingface.co' } }],
  ['a list without its Link header', { treePageSize: 1, shape: { links: 'lost' } }],
  ['folders without ids, and bare redirects', { shape: { folders: 'without_oid', smallFiles: 'bare' } }],
])('[A6] a mirror with %s gives a whole model', async (_, options) => {
  const hive = await openHive(options);
  hive.hub.addRepo({ id: 'org/model', files: FILES });
  const ran = await download(hive, 'hf:org/model::include=*');
  expect(ran.end).toBe('[DONE]');
  const folder = await pathOf(hive);
  expect((await readdir(folder)).sort()).toEqual(Object.keys(FILES));
  expect((await stat(join(folder, 'm-Q4_K_M.gguf'))).size).toBe(300_000);
  expect(actionsOf(ran)).not.toContain('download_retry');
});

it.each(['files', 'api', 'both'] as const)('[A5] a mirror that redirects %s gives a whole model', async (what) => {
  const hub: TestHub = await startHub();
  open.push(hub);
  hub.addRepo({ id: 'org/model', files: FILES });
  const hive = await openHive({ shape: { mirrors: { origin: hub.url, what } } });
  hive.hub.addRepo({ id: 'org/model', files: FILES });
  for (const model of ['hf:org/model::include=*', 'hf:org/model::file=a.json']) {
    expect((await download(hive, model)).end).toBe('[DONE]');
  }
  expect(hub.requests.length).toBeGreaterThan(0);
});

it('[A7] names in raw UTF-8 in a Location arrive', async () => {
  const hive = await openHive({ shape: { locations: 'utf8' } });
  const files = { 'é/مدل.gguf': { size: 300_000, seed: 1 }, 'é/ü.json': CONFIG };
  hive.hub.addRepo({ id: 'org/model', files });
  expect((await download(hive, 'hf:org/model::include=*')).end).toBe('[DONE]');
  expect(await readFile(join(await pathOf(hive), 'é', 'ü.json'))).toEqual(CONFIG);
});

describe('a repo without an organisation', () => {
  it('[A12] is downloaded, kept where hf keeps it, listed, verified and removed', async () => {
    const hive = await openHive();
    hive.hub.addRepo({ id: 'openai-community/gpt2', files: FILES, renamedFrom: ['gpt2'] });
    expect((await download(hive, 'hf:gpt2')).end).toBe('[DONE]');
    expect(await readdir(hive.modelsDir)).toContain('models--gpt2');
    const { models } = modelListSchema.parse((await hive.api('GET', '/v2/models')).body);
    expect(models).toMatchObject([{ model_ref: expect.stringMatching(/^hf:gpt2@/) }]);
    const id = models[0]?.model_id;
    expect((await hive.run({ operation: 'model_verify', id })).end).toBe('[DONE]');
    expect((await hive.run({ operation: 'model_delete', id })).end).toBe('[DONE]');
  });

  it('[A12] that another program left in the cache is listed', async () => {
    const hive = await openHive();
    const root = join(hive.modelsDir, 'models--gpt2');
    const commit = 'c'.repeat(40);
    await mkdir(join(root, 'blobs'), { recursive: true });
    await mkdir(join(root, 'snapshots', commit), { recursive: true });
    await mkdir(join(root, 'refs'));
    await writeFile(join(root, 'refs', 'main'), commit);
    const sha256 = 'ab'.repeat(32);
    await writeFile(join(root, 'blobs', sha256), 'x');
    const { symlink } = await import('node:fs/promises');
    await symlink(`../../blobs/${sha256}`, join(root, 'snapshots', commit, 'm.gguf'));
    const { models } = modelListSchema.parse((await hive.api('GET', '/v2/models')).body);
    expect(models).toMatchObject([{ model_ref: expect.stringContaining('hf:gpt2@') }]);
  });
});

describe('an odd name', () => {
  it('[A13] beside the model is narrated and harms nothing', async () => {
    const hive = await openHive();
    hive.hub.addRepo({ id: 'org/model', files: { ...FILES, 'a\\b.png': CONFIG, 'rain....png': CONFIG } });
    const ran = await download(hive, 'hf:org/model');
    expect(ran.end).toBe('[DONE]');
    expect(ran.said).toContainEqual(
      expect.objectContaining({
        action: 'download_left_out',
        level: 'warn',
        human: expect.stringContaining('a\\b.png'),
      }),
    );
  });

  it('[A13] that is chosen is one error, without a retry', async () => {
    const hive = await openHive();
    hive.hub.addRepo({ id: 'org/model', files: { ...FILES, 'a\\b.png': CONFIG } });
    const ran = await download(hive, 'hf:org/model::include=*');
    expect(ran.end).toMatch(/^\[ERROR\]/);
    expect(actionsOf(ran)).not.toContain('download_retry');
  });
});

describe("an address of the hive's own hub", () => {
  it.each(['', '/tree/main', '/blob/main/m-Q4_K_M.gguf', '/resolve/main/m-Q4_K_M.gguf?download=true', '#x'])(
    '[A14] %s is read as the ref it means',
    async (page) => {
      const hive = await openHive();
      hive.hub.addRepo({ id: 'org/model', files: FILES });
      expect((await download(hive, `${hive.hub.url}/org/model${page}`)).end).toBe('[DONE]');
      expect(await readdir(join(hive.modelsDir, 'models--org--model', 'snapshots'))).toHaveLength(1);
    },
  );
});

it.each([
  ['a page', '/model', 'text/html; charset=utf-8'],
  ['a page under the name of a file', '/m.gguf', 'text/html'],
  ['a page in XHTML', '/m.gguf', 'application/xhtml+xml'],
])('[A14] any other web page in place of a file is an error without a retry: %s', async (_, path, type) => {
  const server = createServer((_request, response) => response.writeHead(200, { 'Content-Type': type }).end('<html>'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: async () => server.close() });
  const hive = await openHive({}, { RBEE_HIVE_ALLOWED_SOURCES: 'hf,http' });
  const ran = await download(hive, `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
  expect(ran.end).toMatch(/web page/);
  expect(actionsOf(ran)).not.toContain('download_retry');
});

it('[A11] a login while the hive runs, and its end, count without a restart', async () => {
  const tokens = { hf_new: { user: 'me', repos: ['org/gated'] }, hf_old: { user: 'me', repos: [], hasExpired: true } };
  const file = join(process.env['TMPDIR'] ?? '/tmp', `rbee-token-${process.pid}-${Date.now()}`, 'token');
  await mkdir(join(file, '..'), { recursive: true });
  const hive = await openHive({ tokens }, { HF_TOKEN_PATH: file });
  hive.hub.addRepo({ id: 'org/gated', files: FILES, gated: true });
  hive.hub.addRepo({ id: 'org/public', files: FILES });
  expect((await download(hive, 'hf:org/gated')).end).toMatch(/^\[ERROR\]/);
  await writeFile(file, 'hf_old');
  expect((await download(hive, 'hf:org/public::include=*')).end).toBe('[DONE]');
  expect((await download(hive, 'hf:org/gated')).end).toMatch(/hf auth login/);
  await writeFile(file, 'hf_new');
  expect((await download(hive, 'hf:org/gated')).end).toBe('[DONE]');
});

import { readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateBytes, startRegistry, startWebServer, type TestRegistry, type WebServer } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, readStream, spoken } from './support/sse.ts';

const FILE = { size: 3_000_000, seed: 4 };
const BYTES = generateBytes(FILE);

let fleet: Fleet;
let web: WebServer;
let registry: TestRegistry;
beforeEach(async () => {
  web = await startWebServer();
  registry = await startRegistry({ token: {} });
  fleet = await startFleet({
    hiveEnv: {
      RBEE_HIVE_ALLOWED_SOURCES: 'hf,https,ollama,http,file',
      RBEE_HIVE_OLLAMA_REGISTRY: registry.url,
    },
  });
});
afterEach(async () => {
  await fleet.close();
  await Promise.all([web.close(), registry.close()]);
});

async function followed(model: string, more: Record<string, unknown> = {}) {
  const { job_id, download_id } = await startDownload(fleet.queen.url, model, more);
  const events = await (await readStream(`${fleet.queen.url}/v1/downloads/${download_id}/stream`)).toEnd();
  const lines = spoken(await (await readStream(`${fleet.queen.url}/v1/jobs/${job_id}/stream`)).toEnd());
  const { body: download } = await api('GET', `${fleet.queen.url}/v1/downloads/${download_id}`);
  return { end: events.at(-1)?.event, data: jsonOf(events.at(-1)), lines, download };
}

async function completed(model: string, more: Record<string, unknown> = {}) {
  const done = await followed(model, more);
  expect(done.data).toMatchObject({ path: expect.any(String) });
  return { ...done, path: String(done.data['path']) };
}

describe('a URL', () => {
  it('is downloaded, verified and stored next to the cache, and reused the next time', async () => {
    const url = web.redirect('/go', web.put('/models/model.gguf', { content: FILE }));
    const { path, data, download } = await completed(url);
    expect((await readFile(path)).equals(BYTES)).toBe(true);
    expect(path).toMatch(new RegExp(`^${fleet.folder}/hive-a/models/models--rbee.http--.+/snapshots/[0-9a-f]{40}/go$`));
    expect(await readlink(path)).toMatch(/^\.\.\/\.\.\/blobs\/version-[0-9a-f]{40}$/);
    expect(data['sha256']).toMatch(/^[0-9a-f]{64}$/);
    expect(download).toMatchObject({ bytes: FILE.size, bytes_reused: 0 });
    const again = await completed(`${url}`);
    expect(again.path).toBe(path);
    expect(again.download).toMatchObject({ bytes: FILE.size, bytes_reused: FILE.size });
  });

  it('with a sha256 completes only if the content matches', async () => {
    const { data } = await completed(web.put('/models/model.gguf', { content: FILE }));
    const sha256 = String(data['sha256']);
    const { path } = await completed(web.put('/other/model.gguf', { content: FILE }), { sha256 });
    expect(await readlink(path)).toBe(`../../blobs/${sha256}`);
    const wrong = await followed(web.put('/wrong.gguf', { content: FILE }), { sha256: '0'.repeat(64) });
    expect(wrong.data).toMatchObject({ code: 'CHECKSUM_MISMATCH' });
  });

  it('without a version is fetched again each time', async () => {
    const file = { etag: null, lastModified: null };
    const url = web.put('/model.gguf', { content: FILE, ...file });
    const { path } = await completed(url);
    const other = generateBytes({ size: FILE.size, seed: 5 });
    web.put('/model.gguf', { content: other, ...file });
    const again = await completed(url);
    expect(again.path).toBe(path);
    expect((await readFile(path)).equals(other)).toBe(true);
    expect(again.download).toMatchObject({ bytes_reused: 0 });
  });

  it('that changes during the fetch is fetched in its new version, under another name', async () => {
    const url = web.put('/model.gguf', { content: FILE });
    web.fault({ kind: 'close', afterBytes: FILE.size * 0.4 });
    web.throttle(0);
    const { download_id } = await startDownload(fleet.hive.url, url);
    await web.waitFor(() => web.requests.some(({ method }) => method === 'GET'), 'the transfer');
    const other = generateBytes({ size: FILE.size + 1, seed: 5 });
    web.put('/model.gguf', { content: other });
    web.throttle(null);
    const events = await (await readStream(`${fleet.hive.url}/v2/downloads/${download_id}/stream`)).toEnd();
    const path = String(jsonOf(events.at(-1))['path']);
    expect((await readFile(path)).equals(other)).toBe(true);
  });
});

describe('a registry', () => {
  it('delivers its model layer, which is reused the next time', async () => {
    const { sha256 } = registry.addModel('library/tiny', 'latest', FILE);
    const { path, data } = await completed('ollama:tiny');
    expect((await readFile(path)).equals(BYTES)).toBe(true);
    expect(path).toMatch(
      /\/models\/models--rbee\.ollama--library-tiny--[0-9a-f]{12}\/snapshots\/[0-9a-f]{40}\/tiny-latest\.gguf$/,
    );
    expect(data['sha256']).toBe(sha256);
    expect((await completed('ollama:tiny')).download).toMatchObject({ bytes_reused: FILE.size });
  });

  it('whose blob does not match its manifest leaves nothing behind', async () => {
    registry.addModel('library/tiny', 'latest', FILE);
    registry.fault({ path: '/blobs/', kind: 'corrupt', at: 1_000, times: 10 });
    expect((await followed('ollama:tiny')).data).toMatchObject({ code: 'CHECKSUM_MISMATCH' });
  });
});

describe('a local file', () => {
  it('is copied in and verified', async () => {
    const original = join(fleet.folder, 'my model.gguf');
    await writeFile(original, BYTES);
    const { path, data, lines } = await completed(`file://${original}`);
    expect((await readFile(path)).equals(BYTES)).toBe(true);
    expect(path).toMatch(
      /\/models\/models--rbee\.file--my-model\.gguf--[0-9a-f]{12}\/snapshots\/[0-9a-f]{40}\/my model\.gguf$/,
    );
    expect(data['sha256']).toMatch(/^[0-9a-f]{64}$/);
    expect(lines.some((line) => line.includes('from this machine'))).toBe(true);
    expect((await stat(path)).ino).not.toBe((await stat(original)).ino);
  });

  it('that does not exist fails the download', async () => {
    expect((await followed(`file://${fleet.folder}/nothing`)).data).toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });
});

describe('a hub', () => {
  it('that is down does not matter for models in the store', async () => {
    fleet.hub.addRepo({ id: 'org/model', files: { 'model-Q4_K_M.gguf': FILE } });
    const first = await completed('hf:org/model');
    await fleet.hub.close();
    const { path, download, lines } = await completed('hf:org/model');
    expect(path).toBe(first.path);
    expect(download).toMatchObject({ bytes: FILE.size, bytes_reused: FILE.size });
    expect(lines.some((line) => line.includes('the hub cannot be reached'))).toBe(true);
  });

  it('delivers the plain files of its tree without a request for their location', async () => {
    const content = Buffer.from('{"a":1}');
    fleet.hub.addRepo({ id: 'org/model', files: { 'config.json': content } });
    const { path } = await completed('hf:org/model::include=*');
    expect(await readFile(path)).toEqual(content);
    const asked = fleet.hub.requests.filter(({ url }) => url.includes('config.json'));
    expect(asked.map(({ method, status }) => [method, status])).toEqual([
      ['GET', 307],
      ['GET', 206],
    ]);
  });

  it('that refuses a plain file is asked for the reason', async () => {
    fleet.hub.addRepo({ id: 'org/gated', gated: 'auto', files: { 'config.json': Buffer.from('{}') } });
    const { data } = await followed('hf:org/gated::include=*');
    expect(data).toMatchObject({ code: 'MODEL_TOKEN_MISSING', hint: expect.stringContaining('accept the terms') });
  });

  it('delivers the files that the globs of the request choose, which are part of its identity', async () => {
    const files = { 'a.json': Buffer.from('{}'), 'b.json': Buffer.from('[]'), 'c.txt': Buffer.from('c') };
    fleet.hub.addRepo({ id: 'org/model', files });
    const { download } = await completed('hf:org/model', { include: ['*.json'], exclude: ['b*'] });
    expect(download).toMatchObject({
      model_ref: 'hf:org/model::include=*.json::exclude=b*',
      files_total: 1,
    });
    const refused = await api('POST', `${fleet.hive.url}/v1/jobs`, {
      operation: 'model_download',
      model: 'ollama:tiny',
      include: ['*'],
    });
    expect(refused).toMatchObject({ status: 400, body: { error: { code: 'REQUEST_INVALID' } } });
  });
});

describe('a hive with default settings', () => {
  it('does not download by plain http, from its own machine, or from private addresses', async () => {
    const env = {
      RBEE_HIVE_ALLOWED_SOURCES: '',
      RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'false',
      RBEE_HIVE_OLLAMA_REGISTRY: '',
    };
    const hive = await fleet.addHive('hive-b', env);
    const url = web.put('/model.gguf', { content: FILE });
    for (const model of [url, `file://${fleet.folder}/x`]) {
      const answer = await api('POST', `${hive.url}/v1/jobs`, { operation: 'model_download', model });
      expect(answer).toMatchObject({ status: 403, body: { error: { code: 'SOURCE_NOT_ALLOWED' } } });
    }
    for (const model of [url.replace('http:', 'https:'), `ollama:${new URL(registry.url).host}/library/tiny`]) {
      const { download_id } = await startDownload(hive.url, model);
      const events = await (await readStream(`${hive.url}/v2/downloads/${download_id}/stream`)).toEnd();
      expect(jsonOf(events.at(-1))).toMatchObject({ code: 'SOURCE_NOT_ALLOWED' });
    }
    expect(web.requests.length + registry.requests.length).toBe(0);
  });
});

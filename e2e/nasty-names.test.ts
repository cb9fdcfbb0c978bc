import { mkdir, readdir, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  NASTY_NAMES,
  OLLAMA_MODEL_LAYER,
  startHub,
  startRegistry,
  startWebServer,
  type TempDir,
  tempDir,
} from '@rbee/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { api } from './support/api.ts';
import { type Daemon, startDaemon } from './support/fleet.ts';
import { jsonOf, readStream } from './support/sse.ts';

// Goal: whatever name a server gives to a file, a version or a blob, nothing is written outside the store.
// Method: a real hive, in a folder inside another, downloads from hostile servers through every source, once for each
// name; then the outer folder is compared with its state before.
// Failure shows as a new file outside the store, a link that leads out of it, or an error that is a bug.

const CONTENT = Buffer.alloc(10_000, 'content');
const AT_ONCE = 12;
/** The codes of a proper refusal; `INTERNAL` is not one. */
const REFUSALS = ['DOWNLOAD_FAILED', 'SOURCE_UNAVAILABLE', 'MODEL_NOT_FOUND', 'MODEL_ACCESS_DENIED'];

let outer: TempDir;
let hive: Daemon;
let modelsDir: string;
const closing: (() => unknown)[] = [];
beforeEach(async () => {
  outer = await tempDir();
  closing.push(() => outer.remove());
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function startHive(env: Record<string, string>): Promise<void> {
  modelsDir = join(outer.path, 'a/b/hive/models');
  hive = await startDaemon('hive', ['--models-dir', modelsDir], {
    HOME: outer.path,
    RBEE_HIVE_STATE_DIR: join(outer.path, 'a/b/hive/state'),
    RBEE_HIVE_ALLOWED_SOURCES: 'hf,http,ollama,file',
    RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
    RBEE_HIVE_RETRY_ATTEMPTS: '1',
    RBEE_HIVE_RETRY_WINDOW: '0s',
    RBEE_HIVE_JOB_RATE: '10000',
    RBEE_HIVE_MAX_CONCURRENT_DOWNLOADS: String(AT_ONCE),
    RBEE_LOG_LEVEL: 'info',
    ...env,
  });
  closing.push(() => hive.program.kill());
}

/** Downloads all of them; returns the error code of each, null if it completed. */
async function downloadAll(models: readonly string[]): Promise<(string | null)[]> {
  const codes: (string | null)[] = [];
  for (let at = 0; at < models.length; at += AT_ONCE) {
    codes.push(...(await Promise.all(models.slice(at, at + AT_ONCE).map(download))));
  }
  return codes;
}

async function download(model: string): Promise<string | null> {
  const { status, body } = await api('POST', `${hive.url}/v1/jobs`, { operation: 'model_download', model });
  if (status !== 202) {
    expect([model, body]).toMatchObject([model, { error: { code: 'MODEL_REF_INVALID' } }]);
    return 'MODEL_REF_INVALID';
  }
  const events = await (await readStream(`${hive.url}${String(body['download_sse_url'])}`)).toEnd();
  const last = events.at(-1);
  if (last?.event === 'complete') {
    const path = String(jsonOf(last)['path']);
    expect((await readFile(path)).equals(CONTENT)).toBe(true);
    return null;
  }
  const code = String(jsonOf(last)['code']);
  expect([model, REFUSALS.includes(code) ? 'refused' : code]).toEqual([model, 'refused']);
  return code;
}

/** Every name below the outer folder, except the hive's own folder. */
async function outside(): Promise<string[]> {
  const entries = await readdir(outer.path, { recursive: true });
  return entries.filter((entry) => !/^a\/b\/hive\//.test(entry)).sort();
}

/** Checks that the hive has written only to its store and its state, and that no link leads out of them. */
async function assertInside(): Promise<void> {
  const root = join(outer.path, 'a/b/hive');
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const within = path.slice(root.length + 1);
    expect(within).toMatch(/^(?:models|rbee|state)(?:\/|$)/);
    if (entry.isSymbolicLink()) expect((await realpath(path)).startsWith(`${root}/`)).toBe(true);
    else expect(entry.isFile() || entry.isDirectory()).toBe(true);
  }
  expect((await readdir(join(outer.path, 'a/b'))).sort()).toEqual(['hive']);
}

async function expectNothingOutside(models: readonly string[]): Promise<(string | null)[]> {
  const before = await outside();
  const codes = await downloadAll(models);
  expect(await outside()).toEqual(before);
  await assertInside();
  expect(codes).toHaveLength(models.length);
  // A refused model does not hide the others.
  expect((await api('GET', `${hive.url}/v1/info`)).status).toBe(200);
  return codes;
}

it('[A13] in the tree of a hub, and as the ETag of a file', { timeout: 180_000 }, async () => {
  const hub = await startHub();
  closing.push(() => hub.close());
  await startHive({ HF_ENDPOINT: hub.url });
  const models = NASTY_NAMES.flatMap(({ name }, index) => {
    const [tree, etag] = [`org/tree${index}`, `org/etag${index}`];
    hub.addRepo({ id: tree, files: { [name]: CONTENT } });
    hub.addRepo({ id: etag, files: { 'm.gguf': CONTENT } });
    // A header cannot contain other characters.
    const said = name.replaceAll(/[^\x20-\x7e\xa0-\xff]/g, '_');
    hub.fault({
      server: 'hub',
      path: `/${etag}/resolve/`,
      kind: 'status',
      status: 302,
      times: 10,
      headers: {
        Location: hub.signedUrl(etag, 'm.gguf'),
        'X-Repo-Commit': 'a'.repeat(40),
        'X-Linked-Etag': said,
        'X-Linked-Size': String(CONTENT.length),
      },
    });
    return [`hf:${tree}::include=*`, `hf:${etag}::file=m.gguf`];
  });
  const codes = await expectNothingOutside(models);
  expect(codes.filter((code) => code !== null).length).toBeGreaterThan(NASTY_NAMES.length);
});

it('[A13] two of which differ only in case, or are a file and its folder', async () => {
  const hub = await startHub();
  closing.push(() => hub.close());
  await startHive({ HF_ENDPOINT: hub.url });
  hub.addRepo({ id: 'org/case', files: { 'Model.gguf': CONTENT, 'model.gguf': CONTENT } });
  hub.addRepo({ id: 'org/folder', files: { 'model.gguf': CONTENT } });
  const entry = { type: 'file', oid: 'a'.repeat(40), size: CONTENT.length };
  const body = JSON.stringify(['model.gguf', 'model.gguf/more'].map((path) => ({ ...entry, path })));
  hub.fault({ server: 'hub', path: '/api/models/org/folder/tree/', kind: 'status', status: 200, body });
  const codes = await expectNothingOutside([
    'hf:org/case::include=*',
    'hf:org/folder::include=*',
    'hf:org/case::file=model.gguf',
    'hf:org/case::file=Model.gguf',
  ]);
  expect(codes).toEqual(['MODEL_NOT_FOUND', 'MODEL_NOT_FOUND', null, null]);
});

it('in a header and in the path of a URL', { timeout: 180_000 }, async () => {
  const web = await startWebServer();
  closing.push(() => web.close());
  await startHive({});
  const models = NASTY_NAMES.flatMap(({ name }, index) => {
    const encoded = encodeURIComponent(name.toWellFormed());
    const headers = { 'Content-Disposition': `attachment; filename*=UTF-8''${encoded.replaceAll(/['()*]/g, '_')}` };
    const path = `/${index}/${encoded}`;
    return [
      web.put(`/header${index}`, { content: CONTENT, headers, etag: `"${encoded}"` }),
      new URL(web.put(path.length < 4_000 ? path : `/${index}/long`, { content: CONTENT })).href,
      web.redirect(`/redirect${index}`, `/header${index}?${encoded}`),
    ];
  });
  const codes = await expectNothingOutside(models);
  expect(codes.filter((code) => code === null).length).toBeGreaterThan(NASTY_NAMES.length);
});

it('in the manifest of a registry', { timeout: 180_000 }, async () => {
  const registry = await startRegistry();
  closing.push(() => registry.close());
  await startHive({ RBEE_HIVE_OLLAMA_REGISTRY: registry.url });
  const { sha256 } = registry.addModel('library/good', 'latest', CONTENT);
  const models = NASTY_NAMES.flatMap(({ name }, index) => {
    const annotations = { 'org.opencontainers.image.title': name };
    const good = { mediaType: OLLAMA_MODEL_LAYER, digest: `sha256:${sha256}`, size: CONTENT.length, annotations };
    registry.setManifest(`library/title${index}`, 'latest', JSON.stringify({ name, tag: name, layers: [good] }));
    const digest = `sha256:${name}`;
    registry.setManifest(`library/digest${index}`, 'latest', JSON.stringify({ layers: [{ ...good, digest }] }));
    registry.setManifest(`library/type${index}`, 'latest', JSON.stringify({ layers: [{ ...good, mediaType: name }] }));
    return [`ollama:title${index}`, `ollama:digest${index}`, `ollama:type${index}`];
  });
  const codes = await expectNothingOutside(models);
  // A layer's blob belongs to its repository, so a title alone does no harm.
  expect(codes.filter((code) => code === null).length).toBeGreaterThanOrEqual(NASTY_NAMES.length);
});

it('of a local file', { timeout: 180_000 }, async () => {
  await startHive({});
  const originals = join(outer.path, 'originals/a/b');
  await mkdir(originals, { recursive: true });
  const models: string[] = [];
  for (const { name } of NASTY_NAMES) {
    const path = join(originals, name);
    models.push(`file://${originals}/${name}`);
    if (!path.startsWith(`${originals}/`) || name.includes('\0')) continue;
    try {
      await mkdir(join(path, '..'), { recursive: true });
      await writeFile(path, CONTENT);
    } catch {
      // The file system does not accept every name.
      expect((await stat(path).catch(() => null))?.isFile() ?? false).toBe(false);
    }
  }
  const codes = await expectNothingOutside(models);
  expect(codes.filter((code) => code === null).length).toBeGreaterThan(10);
  expect(codes.filter((code) => code === 'MODEL_REF_INVALID').length).toBeGreaterThan(20);
});

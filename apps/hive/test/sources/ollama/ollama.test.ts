import { type OllamaRef, parseModelRef } from '@rbee/contract';
import {
  NASTY_NAMES,
  OLLAMA_MODEL_LAYER,
  ollamaManifest,
  type RegistryOptions,
  startRegistry,
  startWebServer,
} from '@rbee/testing';
import { Agent } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { createOllama } from '../../../src/sources/ollama/ollama.ts';
import { soleFileOf } from '../../../src/sources/source.ts';
import { createLayout } from '../../../src/store/layout.ts';

const CONTENT = Buffer.alloc(50_000, 'content');
const layout = createLayout('/store/hub');
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const within = () => AbortSignal.timeout(10_000);

async function setUp(options: RegistryOptions = {}) {
  const registry = await startRegistry(options);
  const dispatcher = new Agent();
  closing.push(
    () => registry.close(),
    () => dispatcher.destroy(),
  );
  const model = registry.addModel('library/tiny', 'latest', CONTENT);
  const source = createOllama({ dispatcher, headersTimeoutMs: 5_000, userAgent: 'test/1', registry: registry.url });
  const resolve = (ref: string) => source.resolve(parseModelRef(ref) as OllamaRef, within());
  return { registry, model, resolve };
}

describe('a model of a registry', () => {
  it('is its model layer, by digest, under the digest of its manifest', async () => {
    const { registry, model, resolve } = await setUp();
    const resolved = await resolve('ollama:tiny');
    expect(resolved).toMatchObject({ title: 'library/tiny', revision: 'latest', commit: model.digest.slice(0, 40) });
    expect(resolved.place).toMatch(/^ollama:library-tiny--[0-9a-f]{12}$/);
    const { sha256, size } = model;
    expect(resolved.files).toHaveLength(1);
    expect(resolved.files[0]).toMatchObject({
      path: 'tiny-latest.gguf',
      blobName: sha256,
      sha256,
      size,
      gitSha1: null,
    });
    expect(resolved.pinnedRef(sha256)).toBe('ollama:tiny');
    expect(registry.requests[0]?.headers.accept).toContain('application/vnd.docker.distribution.manifest.v2+json');
  });

  it.each([
    ['ollama:me/mine:7b', 'me/mine', '7b', 'mine-7b.gguf'],
    ['ollama:tiny:q4_K_M', 'library/tiny', 'q4_K_M', 'tiny-q4_K_M.gguf'],
  ])('%s is requested by namespace, name and tag', async (ref, name, tag, file) => {
    const { registry, resolve } = await setUp();
    registry.addModel(name, tag, CONTENT);
    expect((await resolve(ref)).files[0].path).toBe(file);
  });

  it('of the configured host is the same if the ref names that host', async () => {
    const { registry, resolve } = await setUp();
    const named = await resolve(`ollama:${new URL(registry.url).host}/library/tiny`);
    expect(named.place).toBe((await resolve('ollama:tiny')).place);
  });

  it('of another host is requested over https', async () => {
    const { resolve } = await setUp();
    const other = await startRegistry();
    closing.push(() => other.close());
    other.addModel('library/tiny', 'latest', CONTENT);
    // The other one speaks no TLS.
    await expect(resolve(`ollama:${new URL(other.url).host}/library/tiny`)).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
    });
    expect(other.requests).toHaveLength(0);
  });
});

describe('what belongs to a model of a registry', () => {
  it.each<[string, [string, string][], readonly string[], readonly RegExp[]]>([
    ['a projector', [['projector', 'p']], ['mmproj-tiny-7b.gguf'], [/--mmproj/]],
    ['an adapter', [['adapter', 'a']], ['tiny-7b-lora.gguf'], [/complete only with its adapter .*--lora/]],
    [
      'two adapters',
      [
        ['adapter', 'a'],
        ['adapter', 'b'],
      ],
      ['tiny-7b-lora.gguf', 'tiny-7b-lora-2.gguf'],
      [/tiny-7b-lora\.gguf, tiny-7b-lora-2\.gguf/],
    ],
    ['a template', [['template', 't']], ['template.txt'], [/template inside the GGUF/]],
    [
      'everything',
      [
        ['projector', 'p'],
        ['adapter', 'a'],
        ['template', 't'],
        ['params', '{}'],
        ['system', 's'],
        ['messages', '[]'],
        ['license', 'l'],
        ['license', 'm'],
        ['license', 'm'],
      ],
      ['mmproj-tiny-7b.gguf', 'tiny-7b-lora.gguf', 'template.txt', 'params.json', 'system.txt', 'messages.json'].concat(
        ['license.txt', 'license-2.txt'],
      ),
      [/mmproj/, /lora/, /settings/, /license\.txt, license-2\.txt/],
    ],
    ['a layer of another kind', [['embed', 'e']], [], []],
  ])('[H3] is fetched with it: %s', async (_, layers, paths, remarks) => {
    const { registry, resolve } = await setUp();
    registry.addModel('library/tiny', '7b', CONTENT, layers);
    const model = await resolve('ollama:tiny:7b');
    expect(model.files.map(({ path }) => path)).toEqual(['tiny-7b.gguf', ...paths]);
    expect(model.files.map(({ isBeside = false }) => isBeside)).toEqual([false, ...paths.map(() => true)]);
    expect(model.remarks).toEqual(remarks.map((remark) => expect.stringMatching(remark)));
    expect(soleFileOf(model.files)?.path).toBe('tiny-7b.gguf');
    for (const file of model.files) {
      const { url } = await file.locate(within());
      expect(url).toBe(`${registry.url}/v2/library/tiny/blobs/sha256:${file.sha256}`);
    }
  });

  it.each<[string, [string, string][], RegExp]>([
    ['tensors', [['tensor', 't']], /tensors in place of one GGUF file/],
    ['a second model', [['model', 'm']], /2 model layers/],
    [
      'the same model twice',
      [
        ['model', 'm'],
        ['model', 'm'],
      ],
      /3 model layers/,
    ],
    ['hundreds of layers', Array.from({ length: 200 }, (_, n): [string, string] => ['license', `${n}`]), /201 layers/],
  ])('[H3] is refused with the reason: %s', async (_, layers, message) => {
    const { registry, resolve } = await setUp();
    registry.addModel('library/tiny', '7b', CONTENT, layers);
    await expect(resolve('ollama:tiny:7b')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringMatching(message),
    });
  });
});

describe('an anonymous token', () => {
  it('is requested once, and again when it has expired', async () => {
    const { registry, resolve } = await setUp({ token: {} });
    const { files } = await resolve('ollama:tiny');
    await files[0].locate(within());
    const asked = () => registry.requests.filter(({ url }) => url.startsWith('/token')).map(({ url }) => url);
    expect(asked()).toEqual(['/token?service=test&scope=repository%3Alibrary%2Ftiny%3Apull']);
    registry.expireTokens();
    const { headers } = await files[0].locate(within());
    expect(asked()).toHaveLength(2);
    expect(headers?.['authorization']).toMatch(/^Bearer /);
    for (const { url, headers: sent } of registry.requests)
      if (url.startsWith('/token')) expect(sent).not.toHaveProperty('authorization');
  });

  it.each<[string, (realm: string) => string | string[], readonly string[]]>([
    ['Basic beside Bearer', (realm) => `Basic realm="x", Bearer realm="${realm}",scope="a:b:pull"`, ['a:b:pull']],
    ['Basic in a header of its own', (realm) => ['Basic realm="x"', `Bearer realm="${realm}"`], []],
    ['Bearer without quotes', (realm) => `bearer realm=${realm},scope=a:b:pull`, ['a:b:pull']],
    [
      'several scopes',
      (realm) => `Bearer realm="${realm}",scope="a:b:pull c:d:pull,push"`,
      ['a:b:pull', 'c:d:pull,push'],
    ],
    ['a Bearer that leads nowhere first', (realm) => ['Bearer realm="x"', `Bearer realm="${realm}"`], []],
  ])('[H4] is requested of a registry that offers %s', async (_, challenges, scopes) => {
    const { registry, resolve } = await setUp({ token: { challenges } });
    expect((await resolve('ollama:tiny')).files).toHaveLength(1);
    const asked = registry.requests.find(({ url }) => url.startsWith('/token'))?.url ?? '';
    expect(new URL(asked, registry.url).searchParams.getAll('scope')).toEqual(scopes);
  });

  it('[H4] is not requested of a registry that offers Basic alone', async () => {
    const { resolve } = await setUp({ token: { challenges: () => 'Basic realm="x"' } });
    await expect(resolve('ollama:tiny')).rejects.toMatchObject({ code: 'MODEL_ACCESS_DENIED' });
  });

  it('is not requested over plain http from another host than the registry', async () => {
    const thief = await startWebServer();
    closing.push(() => thief.close());
    const { resolve } = await setUp({ token: { realm: `${thief.url}/token` } });
    await expect(resolve('ollama:tiny')).rejects.toMatchObject({ code: 'SOURCE_NOT_ALLOWED' });
    expect(thief.requests).toHaveLength(0);
  });

  it.each(['file:///etc/passwd', 'not a url', '', 'http://user:pass@127.0.0.1/token'])(
    'is not requested from %s',
    async (realm) => {
      const { resolve } = await setUp({ token: { realm } });
      await expect(resolve('ollama:tiny')).rejects.toMatchObject({
        code: expect.stringMatching(/^(?:MODEL_ACCESS_DENIED|SOURCE_NOT_ALLOWED)$/),
      });
    },
  );

  it('that does not help ends in a refusal, not in a loop', async () => {
    const { registry, resolve } = await setUp({ token: {} });
    registry.fault({ path: '/token', kind: 'status', status: 200, body: '{"token":"wrong"}' });
    await expect(resolve('ollama:tiny')).rejects.toMatchObject({ code: 'MODEL_ACCESS_DENIED' });
    registry.fault({ path: '/token', kind: 'status', status: 401 });
    await expect(resolve('ollama:tiny')).rejects.toMatchObject({ code: 'MODEL_ACCESS_DENIED' });
    registry.fault({ path: '/token', kind: 'status', status: 200, body: '{"token":"a\\r\\nX: y"}' });
    await expect(resolve('ollama:tiny')).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });

  it('goes to the registry and not to where it redirects', async () => {
    const cdn = await startWebServer();
    closing.push(() => cdn.close());
    const { resolve, model } = await setUp({ token: {}, blobsAt: cdn.url });
    const location = await (await resolve('ollama:tiny')).files[0].locate(within());
    expect(location.url).toBe(`${cdn.url}/sha256-${model.sha256}`);
    expect(location.headers).not.toHaveProperty('authorization');
  });
});

describe('a manifest', () => {
  const layer = (digest: unknown, size: unknown = 5) => ({ mediaType: OLLAMA_MODEL_LAYER, digest, size });
  const good = layer(`sha256:${'a'.repeat(64)}`);

  it.each([
    ['that is no JSON', 'x', 'SOURCE_UNAVAILABLE'],
    ['that is a list of others', '{"manifests":[]}', 'SOURCE_UNAVAILABLE'],
    ['without layers', '{"layers":[]}', 'MODEL_NOT_FOUND'],
    ['with two model layers', JSON.stringify({ layers: [good, good] }), 'MODEL_NOT_FOUND'],
    ['with another digest', JSON.stringify({ layers: [layer('sha512:aa')] }), 'SOURCE_UNAVAILABLE'],
    ['with a negative size', JSON.stringify({ layers: [layer(good.digest, -1)] }), 'SOURCE_UNAVAILABLE'],
    ['without end', ollamaManifest('a'.repeat(64), 5).padEnd(5_000_000), 'SOURCE_UNAVAILABLE'],
  ])('%s is refused', async (_, manifest, code) => {
    const { registry, resolve } = await setUp();
    registry.setManifest('library/odd', 'latest', manifest);
    await expect(resolve('ollama:odd')).rejects.toMatchObject({ code });
  });

  it('that does not match its digest is refused', async () => {
    const { registry, resolve } = await setUp();
    const headers = { 'Docker-Content-Digest': `sha256:${'0'.repeat(64)}` };
    registry.fault({ kind: 'status', status: 200, headers, body: JSON.stringify({ layers: [good] }) });
    await expect(resolve('ollama:tiny')).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
  });

  it.each(NASTY_NAMES)('has titles and digests that name nothing on disk: $trick, $shown', async ({ name }) => {
    const { registry, resolve } = await setUp();
    const annotations = { 'org.opencontainers.image.title': name };
    registry.setManifest('library/odd', 'latest', JSON.stringify({ layers: [{ ...good, annotations }], name }));
    const { place, commit, files } = await resolve('ollama:odd');
    expect(layout.snapshotFile(place, commit, files[0].path)).toMatch(/\/snapshots\/[0-9a-f]{40}\/odd-latest\.gguf$/);
    registry.setManifest('library/odd', 'latest', JSON.stringify({ layers: [layer(`sha256:${name}`)] }));
    await expect(resolve('ollama:odd')).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });
});

import { rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileRef, type HfRef, type OllamaRef, parseModelRef, type UrlRef } from '@rbee/contract';
import { type HubRequest, startHub, startRegistry, startWebServer } from '@rbee/testing';
import { fixedToken } from '../../src/sources/hugging-face/hub-token.ts';
import { createHuggingFace } from '../../src/sources/hugging-face/hugging-face.ts';
import { createLocalFiles } from '../../src/sources/local/local-file.ts';
import { createOllama } from '../../src/sources/ollama/ollama.ts';
import { createWebSource } from '../../src/sources/web/web.ts';
import { type Bench, describeSource, type SourceUnderTest } from './conformance.ts';

const OLD = Buffer.alloc(200_000, 'old version');
const NEW = Buffer.alloc(230_000, 'new version');

for (const [name, ref] of [
  ['hf: of a named file', 'hf:org/model::file=model-Q4_K_M.gguf'],
  ['hf: of a chosen file', 'hf:org/model'],
] as const) {
  describeSource(name, async (bench) => {
    const hub = await startHub({ tokens: { hf_reader: { user: 'reader', repos: [] } } });
    bench.onEnd(() => hub.close());
    hub.addRepo({ id: 'org/model', files: { 'model-Q4_K_M.gguf': OLD } });
    let content: Buffer = OLD;
    const source = createHuggingFace({
      ...bench.client([hub.url, hub.cdnUrl]),
      endpoint: hub.url,
      token: fixedToken('hf_reader'),
      isOffline: false,
      findOffline: async () => null,
    });
    return {
      scheme: 'hf',
      content: () => content,
      resolve: (signal) => source.resolve(parseModelRef(ref) as HfRef, signal),
      resolveMissing: (signal) => source.resolve(parseModelRef('hf:org/nothing::file=x.gguf') as HfRef, signal),
      change() {
        content = NEW;
        hub.pushCommit('org/model', { 'model-Q4_K_M.gguf': NEW });
      },
      network: {
        hang: () => hub.fault({ server: 'hub', kind: 'no_headers' }),
        refuse: (status, headers = {}) => hub.fault({ server: 'hub', kind: 'status', status, headers }),
        redirectTo: (target) =>
          hub.fault({
            server: 'hub',
            path: '/resolve/',
            kind: 'status',
            status: 302,
            times: 100,
            headers: {
              Location: target,
              'X-Repo-Commit': 'a'.repeat(40),
              'X-Linked-Etag': `"${'b'.repeat(64)}"`,
              'X-Linked-Size': '9',
            },
          }),
        elsewhere: () => hub.requests.filter(({ server }) => server === 'cdn'),
        count: () => hub.requests.length,
        inFlight: () => hub.inFlight('hub'),
        waitFor: hub.waitFor,
      },
    };
  });
}

for (const [name, ref] of [
  ['http: by its validator', '/models/model.gguf'],
  ['http: behind a redirect', '/go'],
] as const) {
  describeSource(name, async (bench) => {
    const web = await startWebServer();
    const cdn = await startWebServer();
    bench.onEnd(() => Promise.all([web.close(), cdn.close()]));
    web.put('/models/model.gguf', { content: OLD });
    web.redirect('/go', cdn.put('/model.gguf', { content: OLD }));
    let content: Buffer = OLD;
    const source = createWebSource(bench.client([web.url, cdn.url]));
    const requests = (): HubRequest[] => [...web.requests, ...cdn.requests];
    return {
      scheme: 'http',
      content: () => content,
      resolve: (signal) => source.resolve(parseModelRef(web.url + ref) as UrlRef, signal),
      resolveMissing: (signal) => source.resolve(parseModelRef(`${web.url}/nothing`) as UrlRef, signal),
      change() {
        content = NEW;
        web.put('/models/model.gguf', { content: NEW });
        cdn.put('/model.gguf', { content: NEW });
      },
      network: {
        hang: () => web.fault({ kind: 'no_headers' }),
        // HEAD, a range and a plain GET: each may work where the others do not.
        refuse: (status, headers = {}) => web.fault({ kind: 'status', status, headers, times: 3 }),
        redirectTo: (target) => void web.redirect(ref, target),
        elsewhere: requests,
        count: () => requests().length,
        inFlight: () => web.inFlight,
        waitFor: web.waitFor,
      },
    };
  });
}

for (const isLoggedIn of [false, true]) {
  describeSource(`ollama: ${isLoggedIn ? 'with' : 'without'} an anonymous token`, async (bench) => {
    const cdn = await startWebServer();
    const registry = await startRegistry({ blobsAt: cdn.url, ...(isLoggedIn ? { token: {} } : {}) });
    bench.onEnd(() => Promise.all([registry.close(), cdn.close()]));
    let content: Buffer = OLD;
    let blob = '';
    const put = (bytes: Buffer) => {
      content = bytes;
      blob = `/sha256-${registry.addModel('library/tiny', 'latest', bytes).sha256}`;
      cdn.put(blob, { content: bytes });
    };
    put(OLD);
    const source = createOllama({ ...bench.client([registry.url, cdn.url]), registry: registry.url });
    return {
      scheme: 'ollama',
      content: () => content,
      resolve: (signal) => source.resolve(parseModelRef('ollama:tiny') as OllamaRef, signal),
      resolveMissing: (signal) => source.resolve(parseModelRef('ollama:nothing') as OllamaRef, signal),
      change: () => put(NEW),
      network: {
        hang: () => registry.fault({ kind: 'no_headers' }),
        refuse: (status, headers = {}) => registry.fault({ kind: 'status', status, headers }),
        redirectTo: (target) =>
          registry.fault({ path: '/blobs/', kind: 'status', status: 307, times: 100, headers: { Location: target } }),
        elsewhere: () => cdn.requests,
        count: () => registry.requests.length + cdn.requests.length,
        inFlight: () => registry.inFlight,
        waitFor: registry.waitFor,
      },
    };
  });
}

const setUpFile = async (bench: Bench): Promise<SourceUnderTest> => {
  const path = join(bench.folder, 'model.gguf');
  let content: Buffer = OLD;
  await writeFile(path, OLD);
  await utimes(path, 1_700_000_000, 1_700_000_000);
  const source = createLocalFiles();
  return {
    scheme: 'file',
    content: () => content,
    resolve: (signal) => source.resolve(parseModelRef(`file://${path}`) as FileRef, signal),
    resolveMissing: (signal) => source.resolve(parseModelRef(`file://${path}.nothing`) as FileRef, signal),
    async change() {
      content = NEW;
      await writeFile(`${path}.new`, NEW);
      await rename(`${path}.new`, path);
    },
    network: null,
  };
};
describeSource('file:', setUpFile, { hasNetwork: false });

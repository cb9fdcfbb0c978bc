/*
 * What real clients asked of a hub that answers as huggingface.co did in autumn 2026, request by request: huggingface_hub (the last with
 * requests and the first 2.x), @huggingface/hub, llama.cpp, transformers and transformers.js. This hub has to answer each as the recorded
 * one did, by status and by the headers that were there, or a test against it proves nothing about the real one.
 */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHub, type TestHub } from '../../src/hub/hub.ts';
import type { HubShape } from '../../src/hub/shape.ts';

interface Recorded {
  readonly client: string;
  /** What the recorded server did otherwise than by default. */
  readonly mode: {
    readonly page?: number;
    readonly prefix?: string;
    readonly xet?: boolean;
    readonly head200?: boolean;
  };
  readonly to: 'HUB' | 'CDN';
  readonly method: string;
  /** `{commit}` stands for the repo's; of the CDN it is `org/name/file`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly status: number;
  /** Names of headers, without the ones that every response has. */
  readonly has: readonly string[];
}

const recorded = readFileSync(new URL('./fixtures/recorded-requests.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Recorded);

const small = Buffer.from('{"model_type":"llama"}\n');
const weights = (seed: number, size = 100_003) => ({ size, seed });
const WITH_CONFIG = { 'config.json': small, 'm.gguf': weights(1) };
const REPOS = {
  'org/st': {
    ...Object.fromEntries(
      [
        '.gitattributes',
        'README.md',
        'config.json',
        'generation_config.json',
        'model.safetensors.index.json',
        'sub/dir/vocab.txt',
        'tokenizer.json',
        'tokenizer_config.json',
      ].map((path) => [path, small]),
    ),
    'model-00001-of-00002.safetensors': weights(2),
    'model-00002-of-00002.safetensors': weights(3),
  },
  'org/one': { 'config.json': small, 'model.safetensors': weights(4) },
  'org/big': { 'model.safetensors': weights(5, 30_000_000) },
  'org/gguf': { 'config.json': small, 'm-Q4_K_M.gguf': weights(6, 30_000_000), 'm-Q8_0.gguf': weights(7) },
  'org/shard': {
    'README.md': small,
    ...Object.fromEntries([1, 2, 3].map((part) => [`Q4_K_M/s-Q4_K_M-0000${part}-of-00003.gguf`, weights(10 + part)])),
  },
  'org/vision': { 'mmproj-v-f16.gguf': weights(8), 'v-Q4_K_M.gguf': weights(9) },
  'org/private': WITH_CONFIG,
  'org/gated': WITH_CONFIG,
  'org/new': WITH_CONFIG,
} as const;

const modes = [...new Set(recorded.map(({ mode }) => JSON.stringify(mode)))];

describe.each(modes)('asked as real clients do, with %s', (mode) => {
  const { page, prefix, xet = true, head200 } = JSON.parse(mode) as Recorded['mode'];
  const shape: Partial<HubShape> = {
    xet,
    prefix: prefix === undefined ? '' : '/hf',
    largeFiles: head200 === true ? 'head_direct' : 'redirect',
    // A CDN of another hub let the token pass that @huggingface/hub sends there.
    cdnAuthorization: 'ignored',
  };
  let hub: TestHub;
  const commits = new Map<string, string>();

  beforeAll(async () => {
    const tokens = { hf_TOKEN: { user: 'me', repos: ['org/private'] } };
    hub = await startHub({ shape, tokens, ...(page === undefined ? {} : { treePageSize: page }) });
    for (const [id, files] of Object.entries(REPOS)) {
      const renamedFrom = id === 'org/new' ? ['org/old'] : [];
      const revisions = id === 'org/st' ? { 'v1.0': 'a'.repeat(40), 'refs/pr/1': 'a'.repeat(40) } : {};
      const access = { private: id === 'org/private', gated: id === 'org/gated' };
      const { commit } = hub.addRepo({ id, files, renamedFrom, revisions, ...access });
      commits.set(id, commit);
      for (const old of renamedFrom) commits.set(old, commit);
    }
  });
  afterAll(() => hub.close());

  const own = recorded.filter((each) => JSON.stringify(each.mode) === mode);
  it.each(own.map((each) => [`${each.client}: ${each.method} ${each.to} ${each.path}, ${each.status}`, each] as const))(
    '%s',
    async (_, { to, method, path, headers, body, status, has }) => {
      const url = to === 'CDN' ? cdnUrl(hub, path) : hub.url + shape.prefix + path.replace('{commit}', commitOf(path));
      const answer = await send(method, url, headers, body);
      expect(answer.status).toBe(status);
      expect(Object.keys(answer.headers)).toEqual(expect.arrayContaining([...has]));
      // A redirect whose length was that of the file is how clients are led to believe wrong sizes.
      if (status === 307 && !path.includes('/old/')) expect(answer.headers['x-linked-size']).toBeUndefined();
    },
  );

  function commitOf(path: string): string {
    const repo = /org\/\w+/.exec(path)?.[0] ?? '';
    return commits.get(repo) ?? 'f'.repeat(40);
  }
});

function cdnUrl(hub: TestHub, path: string): string {
  const [, repo = '', name = ''] = /^(org\/\w+)\/(.+)$/.exec(path) ?? [];
  const files = REPOS[repo as keyof typeof REPOS] ?? {};
  const file = Object.keys(files).find((each) => each.split('/').at(-1) === name);
  if (file === undefined) throw new Error(`no file ${path}`);
  return hub.signedUrl(repo, file);
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
}

function send(method: string, url: string, headers: Readonly<Record<string, string>>, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers }, (response) => {
      response.resume().on('end', () => resolve({ status: response.statusCode, headers: response.headers }));
    });
    asked.on('error', reject).end(body);
  });
}

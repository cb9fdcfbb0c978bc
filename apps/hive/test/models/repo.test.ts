import type { FoundModels, Repo } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestHive, type TestHive } from './support.ts';

const bytes = (size: number, seed = 1) => ({ size, seed });

let hive: TestHive;
beforeEach(async () => {
  hive = await startTestHive();
});
afterEach(() => hive.close());

async function repoOf(ref: string): Promise<Repo> {
  const { status, body } = await hive.api('GET', `/v2/repo?ref=${encodeURIComponent(ref)}`);
  expect(status, JSON.stringify(body)).toBe(200);
  return body as unknown as Repo;
}

function addGgufs(more: Readonly<Record<string, ReturnType<typeof bytes>>> = {}) {
  return hive.hub.addRepo({
    id: 'org/model',
    files: {
      'README.md': bytes(50),
      'model-Q4_K_M.gguf': bytes(4_000),
      'model-Q8_0-00001-of-00002.gguf': bytes(5_000, 2),
      'model-Q8_0-00002-of-00002.gguf': bytes(3_000, 3),
      'model-BF16.gguf': bytes(16_000, 4),
      'imatrix.gguf': bytes(10, 5),
      ...more,
    },
  });
}

describe('GET /v2/repo', () => {
  it('lists quantisations with their shards as one, smallest first, and the one that a download takes', async () => {
    const { commit, files } = addGgufs();
    const repo = await repoOf('org/model');
    expect(repo).toMatchObject({
      hive_id: 'hive-a',
      model_ref: 'hf:org/model',
      repo: 'org/model',
      revision: 'main',
      commit,
      gated: false,
      private: false,
      problem: null,
      files_total: 6,
      bytes: 28_060,
    });
    expect(repo.free_bytes).toBeGreaterThan(0);
    expect(
      repo.choices.map(({ name, files: count, bytes: size, chosen, model_ref: ref }) => [
        name,
        count,
        size,
        chosen,
        ref,
      ]),
    ).toEqual([
      ['Q4_K_M', 1, 4_000, true, 'hf:org/model:Q4_K_M'],
      ['Q8_0', 2, 8_000, false, 'hf:org/model:Q8_0'],
      ['BF16', 1, 16_000, false, 'hf:org/model:BF16'],
    ]);
    expect(repo.choices[0]).toMatchObject({
      sha256: files.find(({ path }) => path === 'model-Q4_K_M.gguf')?.sha256,
      needed_bytes: 4_000,
      present_bytes: 0,
      fits: true,
    });
    const kinds = Object.fromEntries(repo.files.map(({ path, kind, choice }) => [path, [kind, choice]]));
    expect(kinds).toMatchObject({
      'model-Q8_0-00002-of-00002.gguf': ['model', 'Q8_0'],
      'imatrix.gguf': ['sidecar', null],
      'README.md': ['other', null],
    });
  });

  it('brings the projector of a vision model, unless the ref leaves it out', async () => {
    addGgufs({ 'mmproj-F16.gguf': bytes(700, 6) });
    const [first] = (await repoOf('org/model')).choices;
    expect(first).toMatchObject({ files: 2, bytes: 4_700, projector: 'mmproj-F16.gguf', chosen: true });
    const [without] = (await repoOf('hf:org/model::exclude=*mmproj*')).choices;
    expect(without).toMatchObject({
      files: 1,
      bytes: 4_000,
      projector: null,
      chosen: true,
      model_ref: 'hf:org/model:Q4_K_M::exclude=*mmproj*',
    });
  });

  it('knows what is on disk, and the id of the stored model', async () => {
    addGgufs();
    await hive.run({ operation: 'model_download', model: 'org/model:Q8_0' });
    const { models } = (await hive.api('GET', '/v2/models')).body as { models: { model_id: string }[] };
    const { choices } = await repoOf('org/model');
    expect(choices.map(({ name, needed_bytes: needed }) => [name, needed])).toEqual([
      ['Q4_K_M', 4_000],
      ['Q8_0', 0],
      ['BF16', 16_000],
    ]);
    expect(choices[1]).toMatchObject({ present_bytes: 8_000, fits: true, model_id: models[0]?.model_id });
  });

  it.each([
    ['hf:org/model@main', 'Q4_K_M'],
    ['org/model:q8_0', 'Q8_0'],
    ['hf:org/model::file=model-BF16.gguf', 'BF16'],
    ['hf:org/model::file=README.md', 'README.md'],
    ['hf:org/model::include=*Q8_0*', 'Q8_0'],
    ['hf:org/model::include=*.md::include=*BF16*', '2 files'],
  ])('marks what %s takes: %s', async (ref, name) => {
    addGgufs();
    const { choices } = await repoOf(ref);
    expect(choices.filter(({ chosen }) => chosen).map((choice) => choice.name)).toEqual([name]);
  });

  it('reads the address of a page of its own hub', async () => {
    addGgufs();
    expect((await repoOf(`${hive.hub.url}/org/model/blob/main/model-BF16.gguf`)).model_ref).toBe(
      'hf:org/model::file=model-BF16.gguf',
    );
  });

  it('says why a download would be refused, and still lists the choices', async () => {
    addGgufs();
    const { problem, choices } = await repoOf('org/model:Q2_K');
    expect(problem).toMatchObject({ code: 'MODEL_NOT_FOUND', hint: /BF16, Q4_K_M, Q8_0/ });
    expect(choices.map(({ chosen }) => chosen)).toEqual([false, false, false]);
  });

  it('gives models of the same quantisation names and refs of their own, which download exactly them', async () => {
    hive.hub.addRepo({
      id: 'org/two',
      files: {
        'a-Q4_0.gguf': bytes(10),
        'b-Q4_0-00001-of-00002.gguf': bytes(20, 2),
        'b-Q4_0-00002-of-00002.gguf': bytes(5, 3),
      },
    });
    const { problem, choices } = await repoOf('org/two');
    expect(problem?.code).toBe('MODEL_NOT_FOUND');
    expect(choices.map(({ name, model_ref: ref }) => [name, ref])).toEqual([
      ['a-Q4_0', 'hf:org/two::file=a-Q4_0.gguf'],
      ['b-Q4_0', 'hf:org/two::include=b-Q4_0-*-of-00002.gguf'],
    ]);
    for (const { model_ref: model, model_id: id } of choices) {
      await hive.run({ operation: 'model_download', model });
      expect((await hive.api('GET', `/v2/models/${id}`)).status).toBe(200);
    }
  });

  it('has one choice of a safetensors repo', async () => {
    const files = { 'config.json': bytes(9), 'model.safetensors': bytes(90, 2), 'pytorch_model.bin': bytes(80, 3) };
    hive.hub.addRepo({ id: 'org/plain', files });
    const { choices } = await repoOf('org/plain');
    expect(choices).toEqual([
      expect.objectContaining({
        name: 'safetensors',
        quantisation: null,
        files: 2,
        bytes: 99,
        chosen: true,
        model_ref: 'hf:org/plain',
      }),
    ]);
  });

  it('has no organisation where the repo has none', async () => {
    hive.hub.addRepo({ id: 'gpt2', files: { 'config.json': bytes(9), 'model.safetensors': bytes(90, 2) } });
    expect(await repoOf('hf:gpt2')).toMatchObject({ repo: 'gpt2', choices: [{ name: 'safetensors' }] });
  });

  it('lists at most 1000 files of a huge repo, files of models first', async () => {
    const others = Array.from({ length: 1_200 }, (_, index) => [`a/${index}.txt`, bytes(1)]);
    hive.hub.addRepo({ id: 'org/huge', files: { ...Object.fromEntries(others), 'z-Q4_0.gguf': bytes(5, 2) } });
    const { files, files_total: total, bytes: sum } = await repoOf('org/huge');
    expect([files.length, total, sum, files[0]?.path]).toEqual([1_000, 1_201, 1_205, 'z-Q4_0.gguf']);
  });

  it('shows a gated repo, whose files can be listed by anybody', async () => {
    hive.hub.addRepo({ id: 'org/gated', gated: 'manual', files: { 'm-Q4_0.gguf': bytes(5) } });
    expect(await repoOf('org/gated')).toMatchObject({ gated: true, choices: [{ name: 'Q4_0' }] });
  });

  it('serves what the store has in full while the hub is away', async () => {
    addGgufs();
    await hive.run({ operation: 'model_download', model: 'org/model:Q8_0' });
    await hive.hub.pause();
    const { choices } = await repoOf('org/model:Q8_0');
    expect(choices).toEqual([
      expect.objectContaining({ chosen: true, needed_bytes: 0, model_ref: 'hf:org/model:Q8_0' }),
    ]);
    await hive.hub.resume();
  });

  it('asks once more where a connection breaks', async () => {
    addGgufs();
    const fault = hive.hub.fault({ server: 'hub', path: '/api/models/org/model/revision/', kind: 'drop' });
    expect((await repoOf('org/model')).choices).toHaveLength(3);
    expect(fault.taken).toBe(1);
  });

  it.each([
    ['hf:org/none', 404, 'MODEL_NOT_FOUND'],
    ['no/such:ref:at:all', 400, 'MODEL_REF_INVALID'],
    ['file:///etc/passwd', 403, 'SOURCE_NOT_ALLOWED'],
    ['', 400, 'REQUEST_INVALID'],
    [`https://host.example/${'x'.repeat(8_200)}`, 400, 'REQUEST_INVALID'],
  ])('refuses %.40s', async (ref, status, code) => {
    const answer = await hive.api('GET', `/v2/repo?ref=${encodeURIComponent(ref)}`);
    expect(answer).toMatchObject({ status, body: { error: { code } } });
  });
});

describe('GET /v2/search', () => {
  async function search(query: string): Promise<FoundModels['models']> {
    const { status, body } = await hive.api('GET', `/v2/search?${query}`);
    expect(status, JSON.stringify(body)).toBe(200);
    expect(body['hive_id']).toBe('hive-a');
    return (body as unknown as FoundModels).models;
  }

  beforeEach(() => {
    hive.hub.addRepo({
      id: 'Qwen/Qwen3-0.6B-GGUF',
      files: { 'q-Q8_0.gguf': bytes(9), 'q-Q4_K_M.gguf': bytes(5, 2), 'mmproj-F16.gguf': bytes(3, 3) },
      facts: { downloads: 900, likes: 7, pipeline_tag: 'text-generation', gguf: { total: 600_000_000 } },
    });
    hive.hub.addRepo({
      id: 'Qwen/Qwen3-0.6B',
      gated: 'auto',
      files: { 'model.safetensors': bytes(9), 'config.json': bytes(2, 2) },
      facts: { downloads: 5_000, safetensors: { parameters: { BF16: 600_000_000 }, total: 600_000_000 } },
    });
    hive.hub.addRepo({ id: 'gpt2', files: { 'model.safetensors': bytes(9) }, facts: { downloads: 10 } });
  });

  it('finds models by words, the most downloaded first', async () => {
    expect(await search('q=qwen3+0.6b')).toEqual([
      {
        repo: 'Qwen/Qwen3-0.6B',
        model_ref: 'hf:Qwen/Qwen3-0.6B',
        downloads: 5_000,
        likes: 0,
        parameters: 600_000_000,
        bytes: 1_200_000_000,
        quantisations: [],
        task: null,
        gated: true,
        private: false,
        modified_at: '2025-01-01T00:00:00.000Z',
      },
      expect.objectContaining({
        repo: 'Qwen/Qwen3-0.6B-GGUF',
        downloads: 900,
        likes: 7,
        parameters: 600_000_000,
        bytes: 363_750_000,
        quantisations: ['Q4_K_M', 'Q8_0'],
        task: 'text-generation',
        gated: false,
      }),
    ]);
  });

  it('has at most as many as are asked for', async () => {
    expect(await search('q=qwen&limit=1')).toHaveLength(1);
    expect(await search('q=gpt2')).toMatchObject([{ repo: 'gpt2', model_ref: 'hf:gpt2', bytes: null }]);
    expect(await search('q=nothing-like-it')).toEqual([]);
  });

  it.each(['q=', 'q=%20', '', `q=${'x'.repeat(201)}`, 'q=a&limit=0', 'q=a&limit=101'])(
    'refuses ?%.20s',
    async (query) => {
      expect(await hive.api('GET', `/v2/search?${query}`)).toMatchObject({
        status: 400,
        body: { error: { code: 'REQUEST_INVALID' } },
      });
    },
  );
});

describe('GET /v2/search at other hubs', () => {
  async function searchAt(shape: 'plain' | 'none', env: Readonly<Record<string, string>> = {}) {
    const other = await startTestHive(env, { shape: { search: shape } });
    try {
      other.hub.addRepo({ id: 'org/model', files: { 'm-Q4_0.gguf': bytes(5) }, facts: { downloads: 3 } });
      return await other.api('GET', '/v2/search?q=model');
    } finally {
      await other.close();
    }
  }

  it('takes what an older hub says that knows no fields', async () => {
    expect((await searchAt('plain')).body).toMatchObject({
      models: [{ repo: 'org/model', downloads: 3, parameters: null, bytes: null, quantisations: ['Q4_0'] }],
    });
  });

  it('says that a mirror has no search', async () => {
    expect(await searchAt('none')).toMatchObject({
      status: 502,
      body: { error: { code: 'SOURCE_UNAVAILABLE', message: /has no search/ } },
    });
  });

  it('sends no request where the hub must not be asked', async () => {
    expect(await searchAt('plain', { HF_HUB_OFFLINE: '1' })).toMatchObject({
      status: 502,
      body: { error: { code: 'SOURCE_UNAVAILABLE', message: /HF_HUB_OFFLINE/ } },
    });
  });
});

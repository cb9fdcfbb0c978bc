import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { modelListSchema, modelPlanSchema } from '@rbee/contract';
import { makeSampleGguf } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestHive, type TestHive } from '../models/support.ts';

const WEIGHTS = makeSampleGguf({ size: 300_000, seed: 1 });
const PROJECTOR = makeSampleGguf({ size: 200_000, seed: 2 });

let hive: TestHive;
let commit: string;
let sha256: string;
beforeEach(async () => {
  hive = await startTestHive();
  const repo = hive.hub.addRepo({
    id: 'org/vision',
    files: {
      'README.md': Buffer.from('# vision\n'),
      'mmproj-F16.gguf': PROJECTOR,
      'mmproj-F32.gguf': makeSampleGguf({ size: 150_000, seed: 3 }),
      'mtp-v-Q4_K_M.gguf': makeSampleGguf({ size: 140_000, seed: 4 }),
      'v-Q4_K_M.gguf': WEIGHTS,
      'v-Q8_0.gguf': makeSampleGguf({ size: 600_000, seed: 5 }),
    },
  });
  commit = repo.commit;
  sha256 = repo.files.find(({ path }) => path === 'v-Q4_K_M.gguf')?.sha256 ?? '';
});
afterEach(() => hive.close());

const MODEL_FILE = '::file=v-Q4_K_M.gguf';
const BOTH_FILES = `${MODEL_FILE}::file=mmproj-F16.gguf`;
const download = (model: string, more: Readonly<Record<string, unknown>> = {}) =>
  hive.run({ operation: 'model_download', model, ...more });
const snapshot = async () => (await readdir(join(hive.modelsDir, 'models--org--vision', 'snapshots', commit))).sort();
const models = async () => modelListSchema.parse((await hive.run({ operation: 'model_list' })).payload).models;
const said = ({ said: lines }: Awaited<ReturnType<typeof download>>, action: string) =>
  lines.find((line) => line.action === action)?.human;

describe('a vision model', () => {
  it.each(['hf:org/vision', 'org/vision:Q4_K_M'])('[H2] %s arrives with its projector, as one model', async (ref) => {
    const ran = await download(ref);
    expect(ran.end).toBe('[DONE]');
    expect(await snapshot()).toEqual(['mmproj-F16.gguf', 'v-Q4_K_M.gguf']);
    expect(await models()).toMatchObject([
      { model_ref: `hf:org/vision@${commit}${BOTH_FILES}`, files: 2, bytes: WEIGHTS.length + PROJECTOR.length },
    ]);
  });

  it('[H2] that another tool has left is one model, the same as ours', async () => {
    await download('org/vision:Q4_K_M');
    const ours = await models();
    // The catalog knows what the hive has downloaded; without it, it finds what any tool could have left.
    await rm(join(hive.modelsDir, 'models--org--vision', '.rbee'), { recursive: true });
    const [found, ...others] = await models();
    expect(others).toEqual([]);
    expect(found).toMatchObject({ model_id: ours[0]?.model_id, model_ref: ours[0]?.model_ref, files: 2 });
  });

  it('[H2] two quantisations that another tool has left share their projector', async () => {
    await download('org/vision:Q4_K_M');
    await download('org/vision:Q8_0');
    await rm(join(hive.modelsDir, 'models--org--vision', '.rbee'), { recursive: true });
    const found = await models();
    expect(found.map(({ files }) => files)).toEqual([2, 2]);
    const [first] = found;
    expect((await hive.run({ operation: 'model_delete', id: first?.model_id })).end).toBe('[DONE]');
    // The other one still sees.
    expect((await models()).map(({ files }) => files)).toEqual([2]);
  });

  it('[H2] a projector beside a model that was downloaded without it is no model', async () => {
    await download('hf:org/vision::file=v-Q4_K_M.gguf');
    await download('hf:org/vision::file=mmproj-F16.gguf');
    const listed = await models();
    const projector = listed.find(({ model_ref }) => model_ref.endsWith('mmproj-F16.gguf'));
    await rm(join(hive.modelsDir, 'models--org--vision', '.rbee', `${projector?.model_id}.json`));
    expect((await models()).map(({ model_ref }) => model_ref)).toEqual([`hf:org/vision@${commit}${MODEL_FILE}`]);
  });

  it('[H2] a projector alone is listed', async () => {
    await download('hf:org/vision::file=mmproj-F16.gguf');
    await rm(join(hive.modelsDir, 'models--org--vision', '.rbee'), { recursive: true });
    expect(await models()).toMatchObject([{ files: 1 }]);
  });

  it('[H2] the narration says that the projector comes along, and how to leave it out', async () => {
    const line = said(await download('org/vision:Q4_K_M'), 'download_projector');
    expect(line).toContain('mmproj-F16.gguf of org/vision comes along');
    expect(line).toContain('--no-mmproj');
  });

  it('[H2] a plan shows both files, and the header of the model', async () => {
    const ran = await hive.run({ operation: 'model_plan', model: 'org/vision:Q4_K_M' });
    const plan = modelPlanSchema.parse(ran.payload);
    expect(plan.files.map(({ path }) => path)).toEqual(['v-Q4_K_M.gguf', 'mmproj-F16.gguf']);
    expect(plan).toMatchObject({
      pinned_ref: `hf:org/vision@${commit}${BOTH_FILES}`,
      total: WEIGHTS.length + PROJECTOR.length,
    });
    const alone = await hive.run({ operation: 'model_plan', model: `hf:org/vision${MODEL_FILE}` });
    expect(plan.gguf).toEqual(modelPlanSchema.parse(alone.payload).gguf);
    expect(said(ran, 'plan_projector')).toContain('--no-mmproj');
  });

  it.each([
    ['in the ref', 'org/vision::exclude=mmproj*', {}],
    ['in a ref with a quantisation', 'org/vision:Q4_K_M::exclude=*mmproj*', {}],
    ['as the keeper sends it', 'org/vision', { exclude: ['*mmproj*'] }],
    ['as the keeper sends it with a quantisation', 'org/vision:Q4_K_M', { exclude: ['*mmproj*'] }],
  ])('[H2] is left without it: %s', async (_, ref, fields) => {
    const ran = await download(ref, fields);
    expect([ran.end, said(ran, 'download_projector')]).toEqual(['[DONE]', undefined]);
    expect(await snapshot()).toEqual(['v-Q4_K_M.gguf']);
    expect(await models()).toMatchObject([{ model_ref: `hf:org/vision@${commit}${MODEL_FILE}`, files: 1 }]);
  });

  it('[H2] named files are those files', async () => {
    const ran = await download(`hf:org/vision${MODEL_FILE}`);
    expect([ran.end, said(ran, 'download_projector')]).toEqual(['[DONE]', undefined]);
    expect(await snapshot()).toEqual(['v-Q4_K_M.gguf']);
  });

  it('[H2] one that an older version downloaded stays listed, and its bytes are reused', async () => {
    await download(`hf:org/vision${MODEL_FILE}`);
    hive.hub.clearRequests();
    await download('org/vision:Q4_K_M');
    const refs = (await models()).map(({ model_ref }) => model_ref);
    expect(refs.sort()).toEqual([MODEL_FILE, BOTH_FILES].map((files) => `hf:org/vision@${commit}${files}`));
    const fetched = hive.hub.requests.filter(({ server, method }) => server === 'cdn' && method === 'GET');
    expect(fetched.some(({ url }) => url.includes(sha256))).toBe(false);
  });

  it('[H2] a second request for the same joins the first, one without the projector does not', async () => {
    hive.hub.fault({ kind: 'status', status: 503, server: 'hub', times: 3 });
    const start = async (model: string) =>
      (await hive.api('POST', '/v1/jobs', { operation: 'model_download', model })).body['download_id'];
    const first = await start('org/vision:Q4_K_M');
    expect(await start('hf:org/vision:q4_k_m')).toBe(first);
    expect(await start('org/vision:Q4_K_M::exclude=*mmproj*')).not.toBe(first);
  });

  it('[H2] the digest of a request is that of the model', async () => {
    expect((await download('org/vision:Q4_K_M', { sha256 })).end).toBe('[DONE]');
    expect((await download('org/vision:Q8_0', { sha256 })).end).toMatch(/^\[ERROR\] v-Q8_0\.gguf .*sha256/);
  });

  it('[H2] without a hub it comes from the store, projector and all', async () => {
    await download('org/vision:Q4_K_M');
    await hive.hub.close();
    const ran = await download('org/vision:Q4_K_M');
    expect([ran.end, said(ran, 'download_offline') === undefined]).toEqual(['[DONE]', false]);
    expect(await models()).toHaveLength(1);
  });

  it('[H2] its verify checks both files', async () => {
    await download('org/vision:Q4_K_M');
    const { payload } = await hive.run({ operation: 'model_verify' });
    expect(payload).toMatchObject({ models: [{ ok: true, bytes: WEIGHTS.length + PROJECTOR.length }] });
  });
});

import { type Hive, modelIdOf, wantedModel } from '@rbee/contract';
import { describe, expect, it } from 'vitest';
import { CHOICE_REASONS } from '../../src/placement/choice.ts';
import type { Holdings } from '../../src/placement/nearness.ts';
import { placeModel } from '../../src/placement/place-model.ts';
import { fleetOf, hiveNamed } from '../support/fake-hive.ts';

const REF = 'hf:org/repo::file=x.Q4_K_M.gguf';
const COMMIT = 'c'.repeat(40);
const URL_REF = 'https://example.com/x.gguf';
const GIB = 2 ** 30;
const at = '2026-01-01T00:00:00.000Z';

const SHA256 = 'ab'.repeat(32);

const model = (model_ref: string, sha256: string | null = null) => ({
  model_id: modelIdOf(model_ref),
  model_ref,
  bytes: 1,
  files: 1,
  sha256,
  path: '/x',
  modified_at: at,
});
const partial = (origin: string | null, blob = 'p') => ({
  path: `/blobs/${blob}.rbee.incomplete`,
  origin,
  bytes: 1,
  total: null,
  modified_at: at,
});
const holding = (more: { underWay?: string[]; models?: string[]; partialsOf?: string[] } = {}): Holdings => ({
  underWay: more.underWay ?? [],
  store: {
    models: (more.models ?? []).map((ref) => model(ref)),
    partials: (more.partialsOf ?? []).map((of) => partial(of)),
  },
});

async function place(
  hives: Hive[],
  has: Readonly<Record<string, Holdings>> = {},
  asked: string | Parameters<typeof wantedModel>[0] = REF,
  activeAt: (hiveId: string) => number = () => 0,
) {
  const holdings = async ({ hive_id }: Hive) => has[hive_id] ?? holding();
  const choice = await placeModel(
    { fleet: fleetOf(...hives), holdings, activeAt },
    wantedModel(typeof asked === 'string' ? { model: asked } : asked),
  );
  expect(CHOICE_REASONS).toContain(choice.reason);
  return { names: choice.hives.map(({ hive_id }) => hive_id), why: choice.why };
}

describe('a model without a wish for a hive', () => {
  const [idle, busy] = [hiveNamed('idle'), hiveNamed('busy', { active_downloads: 3 })];

  it('goes to the online hive with the fewest active downloads', async () => {
    const away = hiveNamed('away', { online: false });
    expect(await place([away, busy, idle])).toEqual({ names: ['idle'], why: 'fewest active downloads' });
  });

  it('counts downloads that a hive has not reported yet', async () => {
    const hives = [hiveNamed('a'), hiveNamed('b')];
    expect((await place(hives, {}, REF, (id) => (id === 'a' ? 1 : 0))).names).toEqual(['b']);
  });

  it.each([
    ['is fetching it', holding({ underWay: [REF] }), 'already downloading the model'],
    ['holds it', holding({ models: [`hf:org/repo@${COMMIT}::file=x.Q4_K_M.gguf`] }), 'already has the model'],
    ['holds a partial of its repo', holding({ partialsOf: ['hf:org/repo'] }), 'has a part of the model'],
  ])('goes to a hive that %s, however busy', async (_, held, why) => {
    expect(await place([idle, busy], { busy: held })).toEqual({ names: ['busy'], why });
  });

  it.each([
    ['another file', holding({ models: [`hf:org/repo@${COMMIT}::file=y.gguf`] })],
    ['another repo', holding({ models: [`hf:org/other@${COMMIT}::file=x.Q4_K_M.gguf`], partialsOf: ['hf:org/other'] })],
    [
      'a partial that another download of the repo explains',
      holding({ underWay: ['hf:org/repo::file=y.gguf'], partialsOf: ['hf:org/repo'] }),
    ],
    ['a ref that this version cannot read', holding({ models: ['zip:what'] })],
    ['nothing that it reports in time', holding()],
  ])('is not drawn to a hive that has %s', async (_, held) => {
    expect((await place([idle, busy], { busy: held })).names).toEqual(['idle']);
  });

  it('knows a quantisation, a commit and a set of files by what the store names', async () => {
    const held = holding({ models: [`hf:org/repo@${COMMIT}::file=x.Q4_K_M.gguf`] });
    const whyOf = async (ref: string) => (await place([idle, busy], { busy: held }, ref)).why;
    expect(await whyOf('hf:org/repo:q4_k_m')).toMatch(/has the model/);
    expect(await whyOf('hf:org/repo:Q8_0')).toMatch(/fewest/);
    expect(await whyOf(`hf:org/repo@${COMMIT}::file=x.Q4_K_M.gguf`)).toMatch(/has the model/);
    expect(await whyOf(`hf:org/repo@${'d'.repeat(40)}::file=x.Q4_K_M.gguf`)).toMatch(/fewest/);
    expect(await whyOf('hf:org/repo::file=x.Q4_K_M.gguf::file=config.json')).toMatch(/part/);
  });

  it('[H2] knows a vision model by its weights, not by its projector', async () => {
    const held = holding({ models: [`hf:org/repo@${COMMIT}::file=x.Q4_K_M.gguf::file=mmproj-F16.gguf`] });
    const whyOf = async (ref: string) => (await place([idle, busy], { busy: held }, ref)).why;
    expect(await whyOf('hf:org/repo:Q4_K_M')).toMatch(/has the model/);
    expect(await whyOf('hf:org/repo:Q4_K_M::exclude=*mmproj*')).toMatch(/has the model/);
    expect(await whyOf('hf:org/repo:F16')).toMatch(/fewest/);
  });

  it.each<[string, Parameters<typeof wantedModel>[0], string]>([
    ['is fetching the selection', { model: 'org/repo', include: ['*.json'] }, 'already downloading the model'],
    ['is fetching the URL', { model: URL_REF, sha256: SHA256.toUpperCase() }, 'already downloading the model'],
    ['holds the selection', { model: 'org/repo', exclude: ['c'], include: ['b', 'a'] }, 'already has the model'],
    ['holds the one file of it', { model: 'org/repo', include: ['*Q4_K_M*'] }, 'already has the model'],
    ['holds a set that has the file', { model: 'org/repo::file=a' }, 'already has the model'],
    ['holds a set that has one of the files', { model: 'org/repo::file=a::file=z' }, 'has a part of the model'],
    ['holds a set that may share files', { model: 'org/repo', include: ['z*'] }, 'has a part of the model'],
    ['holds those shards', { model: 'org/shards:Q8_0' }, 'already has the model'],
  ])('goes to a hive that %s, which %j in fields of the request says', async (_, asked, why) => {
    const underWay = ['hf:org/repo::include=*.json', `${URL_REF}::sha256=${SHA256}`];
    const held = holding({
      underWay,
      models: [
        `hf:org/repo@${COMMIT}::file=x.Q4_K_M.gguf`,
        `hf:org/repo@${COMMIT}::include=a::include=b::exclude=c`,
        `hf:org/shards@${COMMIT}:Q8_0`,
      ],
    });
    expect(await place([idle, busy], { busy: held }, asked)).toEqual({ names: ['busy'], why });
  });

  it.each<[string, Parameters<typeof wantedModel>[0]]>([
    ['files that the globs do not take', { model: 'org/repo', include: ['*Q8_0*'] }],
    ['files that the globs leave', { model: 'org/repo', exclude: ['x.*'] }],
    ['a selection that leaves the file', { model: 'org/sets::file=c.json' }],
    ['shards of another quantisation', { model: 'org/shards:Q4_0' }],
  ])('is not drawn to a hive that has %s', async (_, asked) => {
    const models = [
      `hf:org/repo@${COMMIT}::file=x.Q4_K_M.gguf`,
      `hf:org/sets@${COMMIT}::include=*.json::exclude=c*`,
      `hf:org/shards@${COMMIT}:Q8_0`,
    ];
    // Its disk is full, so only what it seems to hold can win.
    const full = hiveNamed('full', { free_bytes: 1 });
    const { names } = await place([full, busy], { full: holding({ models }) }, asked);
    expect(names).toEqual(['busy']);
  });

  it('prefers the hive that holds the selection to one that holds files of it', async () => {
    const has = {
      idle: holding({ models: [`hf:org/repo@${COMMIT}::file=a.json`] }),
      busy: holding({ models: [`hf:org/repo@${COMMIT}::include=*.json`] }),
    };
    expect((await place([idle, busy], has, { model: 'org/repo', include: ['*.json'] })).names).toEqual(['busy']);
  });

  it('recognises a model or a partial by its digest when both sides have one', async () => {
    const store = (...models: ReturnType<typeof model>[]): Holdings => ({
      underWay: [],
      store: { models, partials: [] },
    });
    const pinned = `hf:org/repo@${COMMIT}::file=x.Q4_K_M.gguf`;
    const whyOf = async (busyHas: Holdings, asked: Parameters<typeof wantedModel>[0]) =>
      (await place([idle, busy], { busy: busyHas }, asked)).why;
    const wanted = { model: REF, sha256: SHA256.toUpperCase() };
    expect(await whyOf(store(model(pinned, SHA256)), wanted)).toMatch(/has the model/);
    expect(await whyOf(store(model(pinned, null)), wanted)).toMatch(/has the model/);
    expect(await whyOf(store(model(pinned, '0'.repeat(64))), wanted)).toMatch(/fewest/);

    const held = store(model(`${URL_REF}::sha256=${SHA256}`, SHA256));
    expect(await whyOf(held, { model: URL_REF })).toMatch(/has the model/);
    expect(await whyOf(held, { model: URL_REF, sha256: SHA256 })).toMatch(/has the model/);
    expect(await whyOf(held, { model: URL_REF, sha256: '0'.repeat(64) })).toMatch(/fewest/);

    const part = (origin: string): Holdings => ({
      underWay: [],
      store: { models: [], partials: [partial(origin, SHA256)] },
    });
    expect(await whyOf(part('hf:org/repo'), wanted)).toMatch(/part/);
    expect(await whyOf(part('hf:org/repo'), { ...wanted, sha256: '0'.repeat(64) })).toMatch(/fewest/);
    expect(await whyOf(part('https://cdn.example'), { model: URL_REF, sha256: SHA256 })).toMatch(/part/);
    expect(await whyOf(part('https://cdn.example'), { model: URL_REF })).toMatch(/fewest/);
  });

  it('does not go to a hive with a full disk, unless the model is there already', async () => {
    const full = hiveNamed('full', { free_bytes: GIB - 1 });
    const roomy = hiveNamed('roomy', { free_bytes: GIB, active_downloads: 9 });
    expect(await place([full, roomy])).toEqual({
      names: ['roomy'],
      why: 'fewest active downloads; 1 with too little disk space was skipped',
    });
    expect((await place([full, roomy], { full: holding({ partialsOf: ['hf:org/repo'] }) })).names).toEqual(['roomy']);
    const held = holding({ models: [`hf:org/repo@${COMMIT}::file=x.Q4_K_M.gguf`] });
    expect((await place([full, roomy], { full: held })).names).toEqual(['full']);
  });

  it('from another source than a hub needs space on the disk where it is written', async () => {
    const hubIsFull = hiveNamed('hub-full', { free_bytes: 1, other_free_bytes: GIB, active_downloads: 9 });
    const otherIsFull = hiveNamed('other-full', { free_bytes: GIB, other_free_bytes: GIB - 1 });
    const url = 'https://example.com/x.gguf';
    expect((await place([hubIsFull, otherIsFull], {}, url)).names).toEqual(['hub-full']);
    expect((await place([hubIsFull, otherIsFull])).names).toEqual(['other-full']);
    await expect(place([otherIsFull], {}, url)).rejects.toMatchObject({ code: 'DISK_FULL' });
  });

  it('is rejected when no hive is online or none has the space', async () => {
    await expect(place([hiveNamed('away', { online: false })])).rejects.toMatchObject({ code: 'HIVE_UNAVAILABLE' });
    await expect(
      place([hiveNamed('full', { free_bytes: 1 }), hiveNamed('fuller', { free_bytes: 0 })]),
    ).rejects.toMatchObject({ code: 'DISK_FULL', hint: expect.stringMatching(/^full has the most/) });
  });
});

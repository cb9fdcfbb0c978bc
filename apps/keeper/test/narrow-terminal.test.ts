import { stripVTControlCharacters } from 'node:util';
import { modelIdOf } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { textWidth } from '../src/render/text.ts';
import { type FakeQueen, hiveNamed, startFakeQueen } from './support/fake-queen.ts';
import { repoWith } from './support/fake-repo.ts';
import { openKeeper } from './support/keeper.ts';

// Goal: no table is wider than the terminal, whatever the names, and none loses what it is about. Method: each command in
// real terminals of several widths, against a queen whose names are long and have characters of two columns.

const LONG = 'DeepSeek-R1-Distill-Qwen-14B-abliterated-v2-imatrix-128k-merged-Q4_K_M';
const WIDE = '模型文件通义千问大语言模型对话版本量化四比特长文本上下文窗口🦙中文指令微调';
const HIVE = 'a-hive-with-a-name-that-somebody-typed-in-full-for-the-inventory';
const COLUMNS = [40, 60, 80, 110, 200] as const;
const MODIFIED = '2026-01-02T03:04:05.000Z';

const refs = [
  `hf:an-organisation-with-a-long-name/${LONG}@${'0'.repeat(40)}::file=${LONG}.gguf`,
  `hf:org/repo@${'1'.repeat(40)}::file=${WIDE}.gguf`,
  `hf:org/repo@${'1'.repeat(40)}::file=tiny.gguf`,
];
const models = refs.map((ref) => ({ model_id: modelIdOf(ref), model_ref: ref, bytes: 637_800_000, files: 1 }));
const stored = models.map((model, index) => ({
  ...model,
  hive_id: index === 0 ? HIVE : 'gpu-2',
  path: `/models/${model.model_ref}`,
  modified_at: MODIFIED,
}));
const partials = refs.map((ref) => ({
  hive_id: HIVE,
  path: `/srv/hub/models--org--${LONG}/blobs/${'a'.repeat(64)}.incomplete`,
  origin: ref.replace(/@.*/, ''),
  ...{ bytes: 5_000_000, total: 637_800_000, modified_at: MODIFIED },
}));
const plan = {
  ...{ hive_id: HIVE, model_ref: refs[0], pinned_ref: refs[0], revision: '0'.repeat(40) },
  files: [LONG, WIDE].map((path) => ({ path: `${path}.gguf`, bytes: 4e9, sha256: null, present_bytes: 5e6 })),
  ...{
    total: 8e9,
    present_bytes: 5e6,
    needed_bytes: 8e9,
    free_bytes: 5e11,
    reserve_bytes: 1e9,
    fits: true,
    gguf: null,
  },
};
const found = [LONG, WIDE, 'tiny'].map((name) => ({
  ...{
    repo: `org/${name}`,
    model_ref: `hf:org/${name}`,
    downloads: 1_200_000,
    likes: 4_500,
    parameters: 7e9,
    bytes: 4e9,
  },
  ...{ quantisations: ['Q4_K_M', 'Q8_0', 'IQ2_XXS', 'F16'], task: null, gated: true, private: false },
  modified_at: MODIFIED,
}));
const check = {
  check: 'models folder',
  status: 'failed' as const,
  message: `the folder /srv/${LONG}/${LONG} ${WIDE} cannot be written, since its file system is mounted read-only`,
  hint: `mount it again with "mount -o remount,rw /srv/${LONG}", or choose another folder with --models-dir`,
  duration_secs: 0.1,
};
const results: Readonly<Record<string, readonly object[]>> = {
  model_plan: [plan],
  model_get: [{ ...stored[0], file_list: [{ path: LONG, bytes: 5, sha256: 'a'.repeat(64) }], gguf: null }],
  model_delete: [{ hive_id: HIVE, ...models[0], freed_bytes: 5_000_000, shared_bytes: 1_000 }],
  model_verify: [
    { hive_id: HIVE, models: models.map((model) => ({ ...model, ok: true, problems: [] })) },
    { hive_id: 'gpu-2', models: models.map((model) => ({ ...model, ok: true, problems: [] })) },
  ],
  model_prune: [
    {
      ...{ hive_id: HIVE, dry_run: true, freed_bytes: 5_000_000, kept: [] },
      removed: partials.map(({ path, bytes }) => ({ path, kind: 'partial', bytes, modified_at: MODIFIED })),
    },
  ],
};

let queen: FakeQueen;
beforeEach(async () => {
  queen = await startFakeQueen();
  queen.hives.push(hiveNamed(HIVE), hiveNamed('gpu-2', { hive_url: `http://${LONG}:7835`, speed_bps: 28_100_000 }));
  queen.stores.models = stored;
  queen.stores.partials = partials;
  queen.doctor = { hives: [{ hive_id: HIVE, online: true, checks: [check] }] };
  queen.onJob = (job) => {
    const { operation } = job.request.body;
    for (const result of results[String(operation)] ?? []) job.data(String(operation), { ...result });
    job.end({ state: 'completed' });
  };
  for (const ref of refs) queen.addJob(ref).download.progress({ status: 'downloading', bytes: 5e6, total: 4e9 });
  for (const ref of refs) queen.addJob(ref).download.complete('/models/x');
  queen.refuses = ({ path }) => {
    if (path === '/v1/search') return { status: 200, body: { hive_id: HIVE, models: found } };
    const repo = repoWith(['Q4_K_M', LONG, 'Q8_0'], [HIVE, 'gpu-2'], `org/${LONG}`);
    return path === '/v1/repo' ? { status: 200, body: repo } : null;
  };
});
afterEach(() => queen.close());

/** A command, what its table has at any width, and the answer to its question. */
const COMMANDS: [line: string, shows: RegExp, answer?: string][] = [
  ['ls', /^MODEL|^REPO .*MODEL/m],
  ['ps', /^DOWNLOAD .*MODEL$/m],
  ['job list', /^JOB .*MODEL$/m],
  ['hive list', /^HIVE/m],
  ['status', /^HIVE[\s\S]*^DOWNLOAD .*MODEL$/m],
  ['search qwen', /^MODEL/m],
  ['model plan org/repo', /^ *# +QUANTISATION[\s\S]*^FILE/m, '1\r'],
  ['model verify', /^MODEL .*STATE/m],
  ['rm org/repo::file=tiny.gguf', /^MODEL[\s\S]*^REMOVED/m, 'y\r'],
  ['model prune', /^REPO[\s\S]*^REPO/m, 'y\r'],
  ['download clear', /^DOWNLOAD .*MODEL$/m, 'n\r'],
  ['doctor', /^hive [\s\S]*failed/m],
];

describe.each(COLUMNS)('in a terminal of %i columns', (cols) => {
  it.each(COMMANDS)('%s has no line that is wider', async (line, shows, answer) => {
    const terminal = openKeeper(line.split(' '), { queen, cols, rows: 60 });
    if (answer !== undefined) {
      await terminal.waitFor(() => /(?:N\]|Q4_K_M:) *$/.test(terminal.screen()), 'the question');
      terminal.write(answer);
    }
    await terminal.exited;
    expect(terminal.history()).toMatch(shows);
    const rows = stripVTControlCharacters(terminal.raw())
      .replaceAll(/working… \d+ s\r?/g, '')
      .split(/\r*\n/);
    // Sentences may break; a line of a table, which has several spaces in a row or a check's mark, may not.
    const tooWide = rows.filter((row) => /\S {2,}\S|^ {2}/.test(row) && textWidth(row) > cols);
    expect(tooWide).toEqual([]);
  });
});

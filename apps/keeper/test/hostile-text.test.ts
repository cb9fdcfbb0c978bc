import { isPrintable, modelIdOf } from '@rbee/contract';
import type { TestTerminal } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FakeJob } from './support/fake-job.ts';
import { type FakeQueen, hiveNamed, startFakeQueen } from './support/fake-queen.ts';
import { openKeeper, runKeeper } from './support/keeper.ts';

// Goal: whatever text a hub, a hive or a queen sends, it is shown as text. Method: a queen whose texts contain sequences
// that retitle, clear or scroll the terminal, fill the clipboard, make links, turn text around, forge lines or run
// commands; every command shows them on a real terminal, in pipes, and as JSON. Failure shows as a character that is no
// text, or a line that begins with the forged word.

const HOSTILE = [
  '\u001b]0;PWNED\u0007',
  '\u001b]52;c;UFdORUQ=\u0007',
  '\u001b]8;;http://evil.example\u001b\\click\u001b]8;;\u001b\\',
  '\u001b[2J\u001b[41m\u001b[5;5H',
  '\u009b2J\u009d0;PWNED\u009c\u0085',
  '\u202e\u2066\u061c\u200f\u200b\u00ad\ufeff\u{e0041}',
  '\r\nFORGED line\rFORGED\u2028FORGED\u000bFORGED\u0008\u0007',
  '`touch PWNED`$(touch PWNED);&|\'"',
  '\ud800',
].join('');
const REF = 'hf:org/repo@0123::file=model.gguf';
/** Fields that a command cannot do without. */
const KEPT = [
  /(?:^|_)at$/,
  /_id$/,
  /^(?:status|state|operation|event|kind|sha256|code|partial|sse_url|model_id|download_sse_url|check|action)$/,
];

/** The same data with hostile text in every text that need not have a certain form. */
function hostile<T>(value: T, key = ''): T {
  if (typeof value === 'string') return (KEPT.some((kept) => kept.test(key)) ? value : value + HOSTILE) as T;
  if (Array.isArray(value)) return value.map((each) => hostile(each, key)) as T;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, hostile(each, name)])) as T;
}

const model = {
  hive_id: 'gpu-1',
  model_id: modelIdOf(REF),
  model_ref: REF,
  bytes: 1,
  files: 1,
  path: '/models/x',
  modified_at: '2026-01-02T03:04:05.000Z',
};
const gguf = { architecture: 'llama', name: 'x', parameters: 1, quantisation: 'Q4', context_length: 1 };
const plan = {
  hive_id: 'gpu-1',
  model_ref: 'org/repo',
  pinned_ref: REF,
  files: [{ path: 'model.gguf', bytes: 1, sha256: null, present_bytes: 0 }],
  total: 1,
  present_bytes: 0,
  needed_bytes: 1,
  free_bytes: 2,
  fits: true,
  gguf,
};

let queen: FakeQueen;
let terminal: TestTerminal | null = null;
beforeEach(async () => {
  queen = await startFakeQueen();
  queen.stores.models = [hostile(model)];
  queen.stores.partials = [
    hostile({ hive_id: 'gpu-1', path: 'x', origin: 'hf:org/repo', bytes: 1, total: 2, modified_at: model.modified_at }),
  ];
  queen.stores.problems = [hostile({ hive_id: 'gpu-1', path: 'x', message: 'unreadable', code: 'STORE_NOT_WRITABLE' })];
});
afterEach(async () => {
  await terminal?.kill();
  terminal = null;
  await queen.close();
});

/** Ends every job with hostile results of its operation. */
function answerJobs(payload: object): void {
  queen.onJob = (job) => {
    job.narrate(String(job.snapshot.operation), `working${HOSTILE}`);
    job.data(String(job.snapshot.operation), hostile(payload) as Record<string, unknown>);
    job.end({ state: 'completed' });
  };
}

function download({ downloads: [first], ...job }: FakeJob, end: 'complete' | 'fail'): void {
  job.narrate('download_projector', `projector${HOSTILE}`);
  first?.progress(
    hostile({ status: 'downloading' as const, bytes: 1, total: 3, file: 'a', files_total: 2, files: [] }),
  );
  const file = { name: `file${HOSTILE}`, bytes: 1, total: 3, status: 'downloading' as const };
  first?.progress({ files: [file, { ...file, bytes: 2 }] });
  first?.notice({ code: 'RETRY', message: `again${HOSTILE}` });
  if (end === 'complete') first?.complete(`/models/x${HOSTILE}`);
  else first?.fail('DISK_FULL', `full${HOSTILE}`, { hint: `free some${HOSTILE}` });
  job.end(end === 'complete' ? { state: 'completed' } : { state: 'failed', message: `full${HOSTILE}` });
}

function answerLists(): void {
  queen.addJob('hf:org/repo');
  const lists: Readonly<Record<string, () => object>> = {
    '/v1/downloads': () => ({ downloads: queen.jobs.map(({ downloads: [first] }) => hostile({ ...first?.snapshot })) }),
    '/v1/jobs': () => ({ jobs: queen.jobs.map((job) => hostile({ ...job.snapshot })) }),
    '/v1/hives': () => ({ hives: [hostile(hiveNamed('gpu-1'))] }),
    '/v1/info': () => hostile({ queen_id: 'q', version: '1', uptime_secs: 1, hives: 1, hives_online: 1, settings: {} }),
  };
  const odd = (body: object): object =>
    JSON.parse(JSON.stringify(body).replaceAll('"gpu-1"', JSON.stringify(`gpu${HOSTILE}`)));
  queen.refuses = ({ method, path }) => {
    const list = method === 'GET' ? lists[path] : undefined;
    return list === undefined ? null : { status: 200, body: odd(list()) };
  };
}

const check = { check: 'dns', status: 'failed' as const, message: 'no', hint: 'yes', duration_secs: 1 };
const refusal = { error: { code: `X${HOSTILE}`, message: `no${HOSTILE}`, hint: `yes${HOSTILE}`, request_id: HOSTILE } };

const COMMANDS: readonly (readonly [words: string, prepare: () => void])[] = [
  ['model list', () => {}],
  ['download list', answerLists],
  ['job list', answerLists],
  ['hive list', answerLists],
  ['status', answerLists],
  [
    'doctor',
    () => {
      queen.doctor = { hives: [{ hive_id: 'gpu-1', online: true, checks: [hostile(check)] }] };
    },
  ],
  ['model plan org/repo', () => answerJobs(plan)],
  [
    'model prune --dry-run',
    () => answerJobs({ freed_bytes: 1, removed: [{ ...model, kind: 'link', path: 'x' }], dry_run: true }),
  ],
  [
    'model verify',
    () => answerJobs({ models: [{ ...model, ok: false, problems: [{ path: 'x', code: 'X', message: 'no' }] }] }),
  ],
  [
    `model get ${model.model_id}`,
    () => answerJobs({ ...model, file_list: [{ path: 'x', bytes: 1, sha256: null }], gguf }),
  ],
  [
    'pull org/repo',
    () => {
      queen.onJob = (job) => download(job, 'complete');
    },
  ],
  [
    'pull org/other',
    () => {
      queen.onJob = (job) => download(job, 'fail');
    },
  ],
  [
    'pull org/refused',
    () => {
      queen.refuses = () => ({ status: 409, body: refusal });
    },
  ],
  [
    'model plan org/page',
    () => {
      queen.refuses = () => ({ status: 502, body: `<html>${HOSTILE}` });
    },
  ],
];

// Everything that the keeper itself draws with.
const OWN = /\u001b\[(?:(?:2|22|31|32|33|36|39)m|\?(?:25|7)[hl]|\d*[AG]|0?[JK])/g;

function expectText(text: string): void {
  for (const line of text.replaceAll('\r', '').split('\n')) expect(isPrintable(line), JSON.stringify(line)).toBe(true);
}

describe.each(COMMANDS)('%s', (words, prepare) => {
  beforeEach(prepare);

  // A narrow terminal wraps texts, so that any word may begin a line.
  it.each([60, 400])('[K9] shows hostile text as text on a terminal of %i columns', async (cols) => {
    terminal = openKeeper(words.split(' '), { queen, cols, rows: 60 });
    await terminal.exited;
    expect(terminal.history()).not.toBe('');
    if (cols === 400) expect(terminal.history()).not.toMatch(/^FORGED/m);
    expectText(terminal.raw().replaceAll(OWN, ''));
  });

  it('[K9] prints hostile text as lines into pipes', async () => {
    const { stdout, stderr } = await runKeeper(words.split(' '), { queen });
    expect(stdout + stderr).not.toBe('');
    // A path keeps invisible characters, which may belong to its name.
    const visible = (stdout + stderr).replaceAll(/\p{Cf}/gu, '');
    expectText(visible);
    expect(visible).not.toMatch(/^FORGED/m);
    expect(stderr).not.toContain('bug in');
  });

  it('[K9] escapes hostile text in JSON, on a terminal too', async () => {
    terminal = openKeeper([...words.split(' '), '--json'], { queen, cols: 200, rows: 60 });
    await terminal.exited;
    expectText(terminal.raw());
    const { stdout } = await runKeeper([...words.split(' '), '--json'], { queen });
    expectText(stdout);
    for (const line of stdout.trimEnd().split('\n')) expect(() => JSON.parse(line), line).not.toThrow();
  });
});

it('[K9] job watch shows hostile narration and data as lines', async () => {
  const { job } = queen.addJob('hf:org/repo');
  job.narrate('any', `human${HOSTILE}`);
  job.data('any', { text: HOSTILE });
  job.end({ state: 'failed', message: `no${HOSTILE}` });
  terminal = openKeeper(['job', 'watch', job.id], { queen, cols: 200, rows: 60 });
  await terminal.exited;
  expect(terminal.history()).toContain('human');
  expect(terminal.raw()).not.toMatch(/^FORGED/m);
  expectText(terminal.raw().replaceAll(OWN, ''));
});

it('[K9] a message of a megabyte is cut', async () => {
  queen.refuses = () => ({
    status: 409,
    body: { error: { code: 'INTERNAL', message: 'x'.repeat(1_000_000), request_id: 'r' } },
  });
  const { stderr } = await runKeeper(['status'], { queen });
  expect(stderr).toMatch(/^error: x+…/);
  expect(stderr.length).toBeLessThan(3_000);
});

import {
  EXIT_CODES,
  type ModelDetail,
  type ModelPlan,
  modelIdOf,
  parseModelRef,
  RbeeError,
  redactModelRef,
} from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ListedModel } from '../src/results.ts';
import type { FakeJob } from './support/fake-job.ts';
import { type FakeQueen, hiveNamed, startFakeQueen } from './support/fake-queen.ts';
import { runKeeper, startKeeper } from './support/keeper.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const PINNED = `hf:org/repo@${COMMIT}::file=model.Q4_K_M.gguf`;
const ID = modelIdOf(PINNED);
const MODIFIED = '2026-01-02T03:04:05.000Z';

let queen: FakeQueen;
beforeEach(async () => {
  queen = await startFakeQueen();
  queen.hives.push(hiveNamed('gpu-2'));
  queen.stores.models = [listed(PINNED, 'gpu-1')];
});
afterEach(() => queen.close());

function listed(ref: string, hive: string): ListedModel {
  return {
    hive_id: hive,
    model_id: modelIdOf(ref),
    model_ref: ref,
    bytes: 637_800_000,
    files: 1,
    path: '/models/model.Q4_K_M.gguf',
    modified_at: MODIFIED,
  };
}

const gguf = {
  architecture: 'llama',
  name: 'Tiny',
  parameters: 7_600_000_000,
  quantisation: 'Q4_K_M',
  context_length: 4096,
};

const detail: ModelDetail = {
  ...listed(PINNED, 'gpu-1'),
  model_id: ID,
  file_list: [{ path: 'model.Q4_K_M.gguf', bytes: 637_800_000, sha256: 'ab'.repeat(32), stored_at: '/blobs/x' }],
  gguf,
};

/** Every job returns this and completes. */
function answers(...payloads: readonly Record<string, unknown>[]): void {
  queen.onJob = (job) => {
    for (const payload of payloads) job.data(String(job.request.body.operation), payload);
    job.end({ state: 'completed' });
  };
}

const asked = () => queen.jobs.map((job: FakeJob) => job.request.body);
const keeper = (...words: string[]) => runKeeper(words, { queen });

describe('model plan', () => {
  const plan: ModelPlan = {
    model_ref: 'hf:org/repo:Q4_K_M',
    pinned_ref: PINNED,
    files: [
      { path: 'model.Q4_K_M.gguf', bytes: 4_900_000_000, sha256: null, present_bytes: 1_200_000_000 },
      { path: 'README.md', bytes: null, sha256: null, present_bytes: 0 },
    ],
    total: 4_900_000_000,
    present_bytes: 1_200_000_000,
    needed_bytes: 3_700_000_000,
    free_bytes: 500_000_000_000,
    fits: true,
    gguf,
  };

  it('shows files, sizes, bytes on disk, GGUF metadata, and whether it fits', async () => {
    answers({ hive_id: 'gpu-2', ...plan });
    const { code, stdout, stderr } = await keeper('model', 'plan', 'org/repo:Q4_K_M');
    expect({ code, stderr }).toEqual({ code: EXIT_CODES.done, stderr: '' });
    expect(asked()).toMatchObject([{ operation: 'model_plan', model: 'org/repo:Q4_K_M' }]);
    expect(asked()[0]).not.toHaveProperty('hive_id');
    expect(stdout).toContain('gguf    llama, 7.6B parameters, Q4_K_M, context 4096, Tiny\n');
    expect(stdout).toMatch(/^FILE +SIZE +ON DISK\nmodel\.Q4_K_M\.gguf +4\.9 GB +1\.2 GB\nREADME\.md +size unknown\n/m);
    expect(stdout).toContain('2 files, 4.9 GB; 3.7 GB to download, 1.2 GB on disk\n');
    expect(stdout).toContain('fits on gpu-2 (500.0 GB free)\n');
  });

  it('plans for the named hive, and prints the plan as one line with --json', async () => {
    answers({ hive_id: 'gpu-1', ...plan, fits: false });
    const { code, stdout } = await keeper('model', 'plan', 'hf:org/repo', '--hive', 'gpu-1', '--json');
    expect(code).toBe(EXIT_CODES.done);
    expect(asked()).toMatchObject([{ hive_id: 'gpu-1' }]);
    expect(JSON.parse(stdout)).toEqual({ hive_id: 'gpu-1', ...plan, fits: false });
  });

  it('exits with the error of the hive if there is no plan', async () => {
    queen.onJob = (job) => job.end({ state: 'failed', message: 'the repo is gated' }, 'MODEL_GATED');
    const { code, stdout, stderr } = await keeper('model', 'plan', 'org/repo');
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.failed, stdout: '' });
    expect(stderr).toContain('error: the repo is gated');
    expect(stderr).toContain('hint: look at the disk');
  });

  it('cancels its job on Ctrl+C', async () => {
    const program = await startKeeper(['model', 'plan', 'org/repo'], { queen });
    await queen.waitForRequest('GET', /stream$/);
    expect(await program.stop('SIGINT')).toBe(EXIT_CODES.interrupted);
    const [job] = queen.jobs;
    expect(queen.requests.some(({ method, path }) => method === 'DELETE' && path === `/v1/jobs/${job?.id}`)).toBe(true);
  });
});

describe('model get', () => {
  it.each([
    ['an id', ID],
    ['the beginning of an id', ID.slice(0, 8)],
    ['the beginning without its prefix', ID.slice(2, 9)],
    ['the pinned ref', PINNED],
    ['a ref without a revision', 'hf:org/repo::file=model.Q4_K_M.gguf'],
    ['a short ref', 'org/repo:q4_k_m'],
    ['a repo that has one model', 'org/repo'],
    ['the beginning of a commit', `hf:org/repo@${COMMIT.slice(0, 12)}`],
  ])('takes %s', async (_, text) => {
    answers({ ...detail });
    const { code, stdout } = await keeper('model', 'show', text);
    expect(code).toBe(EXIT_CODES.done);
    expect(asked()).toMatchObject([{ operation: 'model_get', id: ID }]);
    expect(stdout).toMatch(new RegExp(`^model +${ID}\nref +hf:org/repo@`));
    expect(stdout).toMatch(/^FILE +SIZE +SHA256\nmodel\.Q4_K_M\.gguf +637\.8 MB +(?:ab){32}\n/m);
  });

  it.each([
    ['its quantisation', 'org/repo:Q4_K_M', true],
    ['its weights', 'hf:org/repo::file=model.Q4_K_M.gguf', true],
    ['both files', 'hf:org/repo::file=mmproj-F16.gguf::file=model.Q4_K_M.gguf', true],
    ['the quantisation of its projector', 'org/repo:F16', false],
    ['its projector', 'hf:org/repo::file=mmproj-F16.gguf', false],
  ])('[H2] finds a vision model by its weights: by %s', async (_, text, isFound) => {
    const ref = `${PINNED}::file=mmproj-F16.gguf`;
    queen.stores.models = [listed(ref, 'gpu-1')];
    answers({ ...detail, model_id: modelIdOf(ref), model_ref: ref });
    const { code } = await keeper('model', 'get', text);
    expect(code).toBe(isFound ? EXIT_CODES.done : EXIT_CODES.failed);
  });

  it('[H2] finds a set of shards by the quantisation in its ref', async () => {
    const ref = `hf:org/repo@${COMMIT}:Q8_0`;
    queen.stores.models = [listed(ref, 'gpu-1'), listed(PINNED, 'gpu-1')];
    answers({ ...detail, model_id: modelIdOf(ref), model_ref: ref });
    expect((await keeper('model', 'get', 'org/repo:Q8_0')).code).toBe(EXIT_CODES.done);
  });

  it('shows the copy of every hive, in one line of JSON with --json', async () => {
    answers({ ...detail }, { ...detail, hive_id: 'gpu-2' });
    expect((await keeper('model', 'get', ID)).stdout.match(/^hive +gpu-[12]$/gm)).toHaveLength(2);
    const { stdout } = await keeper('model', 'get', ID, '--json');
    expect(JSON.parse(stdout).models).toMatchObject([{ hive_id: 'gpu-1', gguf }, { hive_id: 'gpu-2' }]);
  });

  it('suggests the closest id', async () => {
    const wrong = `${ID.slice(0, 7)}${ID[7] === '0' ? '1' : '0'}`;
    const { code, stderr } = await keeper('model', 'get', wrong);
    expect(code).toBe(EXIT_CODES.failed);
    expect(stderr).toContain(`error: no model id starts with "${wrong}"`);
    expect(stderr).toContain(
      `hint: did you mean "${ID.slice(0, wrong.length)}"? run "rbee-keeper model list" to see the ids`,
    );
  });

  it('rejects a name that matches several models, and lists them', async () => {
    const other = PINNED.replace('Q4_K_M', 'Q8_0');
    queen.stores.models = [listed(PINNED, 'gpu-1'), listed(PINNED, 'gpu-2'), listed(other, 'gpu-1')];
    const { code, stderr } = await keeper('model', 'get', 'org/repo');
    expect(code).toBe(EXIT_CODES.usage);
    expect(stderr).toContain('"org/repo" matches 2 models');
    expect(stderr).toContain(modelIdOf(other));
    expect((await keeper('model', 'get', 'org/repo::include=*.gguf')).code).toBe(EXIT_CODES.failed);
  });

  it('prints no secret of a URL that matches several models', async () => {
    const url = 'https://host.example/model.gguf?X-Signature=for-nobody-else';
    const shown = redactModelRef(parseModelRef(url));
    const refs = ['a', 'b'].map((digit) => `${shown}::sha256=${digit.repeat(64)}`);
    queen.stores.models = refs.map((ref) => listed(ref, 'gpu-1'));
    const { code, stderr } = await keeper('model', 'get', url);
    expect(code).toBe(EXIT_CODES.usage);
    expect(stderr).toContain(`"${shown}" matches 2 models`);
    expect(stderr).not.toContain('for-nobody-else');
  });
});

describe('model remove', () => {
  const removed = { hive_id: 'gpu-1', model_id: ID, model_ref: PINNED, freed_bytes: 637_800_000, shared_bytes: 5_000 };

  it('removes several, one after another, and prints the freed space', async () => {
    const other = PINNED.replace('Q4_K_M', 'Q8_0');
    queen.stores.models = [listed(PINNED, 'gpu-1'), listed(other, 'gpu-1')];
    answers(removed);
    const { code, stdout } = await keeper('model', 'rm', ID, modelIdOf(other).slice(0, 9), '--hive', 'gpu-1');
    expect(code).toBe(EXIT_CODES.done);
    expect(asked()).toMatchObject([
      { operation: 'model_delete', id: ID, hive_id: 'gpu-1' },
      { operation: 'model_delete', id: modelIdOf(other), hive_id: 'gpu-1' },
    ]);
    const row = /^model\.Q4_K_M\.gguf +637\.8 MB +gpu-1 +5\.0 kB kept for other models$/m;
    expect(stdout).toMatch(/^REMOVED +FREED +HIVE +NOTE$/m);
    expect(stdout).toMatch(row);
    const wide = await keeper('model', 'rm', ID, '--hive', 'gpu-1', '-o', 'wide');
    expect(wide.stdout).toContain(PINNED);
  });

  it('removes the others if one is refused', async () => {
    answers(removed);
    const other = 'hf:org/other@0::file=x.gguf';
    queen.stores.models = [listed(PINNED, 'gpu-1'), listed(other, 'gpu-1')];
    queen.refuses = ({ body }) =>
      body.id === modelIdOf(other) ? new RbeeError('STATUS_CONFLICT', 'a download uses it') : null;
    const { code, stdout, stderr } = await keeper('model', 'remove', modelIdOf(other), ID, '--json');
    expect(code).toBe(EXIT_CODES.failed);
    const [answer = '', failure = ''] = stdout.split('\n');
    expect(JSON.parse(answer)).toEqual({ removed: [removed], partials: [] });
    expect(JSON.parse(failure).error.code).toBe('STATUS_CONFLICT');
    expect(stderr).toContain('a download uses it');
  });

  it('[K6] asks which hive if several have the model, in words of the command line', async () => {
    answers(removed);
    queen.stores.models = [listed(PINNED, 'gpu-1'), listed(PINNED, 'gpu-2')];
    const { code, stderr } = await keeper('model', 'remove', ID);
    expect(code).toBe(EXIT_CODES.usage);
    expect(stderr).toContain('gpu-1, gpu-2');
    expect(stderr).toContain('--hive');
    expect(stderr).not.toContain('hive_id');
    expect(queen.jobs).toEqual([]);
    expect((await keeper('model', 'remove', ID, '--all-hives')).code).toBe(EXIT_CODES.done);
    expect(asked().map(({ hive_id }) => hive_id)).toEqual(['gpu-1', 'gpu-2']);
  });

  it.each(['its ref', 'its pinned ref', 'its id'])('[K3] removes a model that lacks files, by %s', async (what) => {
    answers(removed);
    queen.stores.models = [];
    const problem = { path: '/models/x.json', message: 'it is incomplete', model_id: ID, model_ref: PINNED };
    queen.stores.problems = [{ hive_id: 'gpu-2', ...problem }];
    const name = { 'its ref': 'org/repo', 'its pinned ref': PINNED, 'its id': ID }[what] ?? '';
    expect((await keeper('model', 'remove', name)).code).toBe(EXIT_CODES.done);
    expect(asked()).toMatchObject([{ operation: 'model_delete', id: ID, hive_id: 'gpu-2' }]);
  });

  describe('of partial files', () => {
    const partial = { hive_id: 'gpu-1', path: '/models/x.rbee-partial', origin: 'hf:org/part', total: null };
    const pruned = { path: partial.path, kind: 'partial', bytes: 5_000, modified_at: MODIFIED };
    beforeEach(() => {
      queen.stores.partials = [{ ...partial, bytes: 5_000, modified_at: MODIFIED }];
    });

    it.each(['org/part', 'hf:org/part', 'https://huggingface.co/org/part'])(
      '[K3] removes the ones of a repo without a model: %s',
      async (name) => {
        answers({ hive_id: 'gpu-1', dry_run: false, removed: [pruned], freed_bytes: 5_000 });
        const { code, stdout } = await keeper('model', 'rm', name);
        expect(code).toBe(EXIT_CODES.done);
        expect(stdout).toMatch(/^org\/part +5\.0 kB +gpu-1 +partial download$/m);
        expect(asked()).toMatchObject([{ operation: 'model_prune', paths: [partial.path], hive_id: 'gpu-1' }]);
      },
    );

    it.each(['org/part:Q4_K_M', 'hf:org/part::file=a.gguf'])('[K3] are offered in place of %s', async (name) => {
      const { code, stderr } = await keeper('model', 'rm', name);
      expect(code).toBe(EXIT_CODES.failed);
      expect(stderr).toContain('partial downloads of org/part (5.0 kB): to remove them, run "rbee-keeper rm org/part"');
      expect(queen.jobs).toEqual([]);
    });

    it('[K3] says how to remove what a download has left, for its id', async () => {
      const { code, stderr } = await keeper('model', 'rm', 'dl-01999c3a-4f2b');
      expect(code).toBe(EXIT_CODES.usage);
      expect(stderr).toContain('"rbee-keeper download cancel dl-01999c3a-4f2b --discard"');
    });

    it('[K3] says why they stay while a download needs them', async () => {
      const kept = [{ ...pruned, reason: 'in_use' }];
      answers({ hive_id: 'gpu-1', dry_run: false, removed: [], freed_bytes: 0, kept });
      const { code, stderr } = await keeper('model', 'rm', 'org/part');
      expect(code).toBe(EXIT_CODES.failed);
      expect(stderr).toContain('a download may need the partial files of hf:org/part on gpu-1');
    });
  });

  it('removes nothing if one of the names is invalid', async () => {
    expect((await keeper('model', 'remove', ID, 'org/nothing')).code).toBe(EXIT_CODES.failed);
    expect(queen.jobs).toEqual([]);
  });
});

describe('model verify', () => {
  const problem = { path: 'model.Q4_K_M.gguf', code: 'CHECKSUM_MISMATCH', message: 'its sha256 is another' };
  const verified = (ok: boolean) => ({
    model_id: ID,
    model_ref: PINNED,
    ok,
    files: 1,
    bytes: 637_800_000,
    problems: ok ? [] : [problem],
  });

  it('verifies all models of all hives by default', async () => {
    queen.onJob = (job) => {
      job.narrate('verify_model', 'verifying model.Q4_K_M.gguf');
      job.data('model_verify', { hive_id: 'gpu-1', models: [verified(true)] });
      job.data('model_verify', { hive_id: 'gpu-2', models: [] });
      job.end({ state: 'completed' });
    };
    const { code, stdout, stderr } = await keeper('model', 'verify');
    expect(code).toBe(EXIT_CODES.done);
    expect(asked()[0]).not.toHaveProperty('id');
    expect(asked()[0]).not.toHaveProperty('hive_id');
    expect(stdout).toMatch(/^model\.Q4_K_M\.gguf +gpu-1 +ok +637\.8 MB +1 +m-[0-9a-f]{7}$/m);
    expect(stderr).toContain('verifying model.Q4_K_M.gguf\n');
  });

  it('exits with 1 if a model is damaged, and says what is wrong and how to repair it', async () => {
    answers({ hive_id: 'gpu-1', models: [verified(false)] });
    const { code, stdout } = await keeper('model', 'verify', ID);
    expect(code).toBe(EXIT_CODES.failed);
    expect(stdout).toContain(
      `model.Q4_K_M.gguf on gpu-1: model.Q4_K_M.gguf: its sha256 is another (CHECKSUM_MISMATCH)\n`,
    );
    expect(stdout).toContain('rbee-keeper model verify --repair');
    const json = await keeper('model', 'verify', ID, '--json');
    expect(JSON.parse(json.stdout).models).toEqual([{ hive_id: 'gpu-1', ...verified(false) }]);
  });

  it('with --repair downloads damaged models again on their hives, and follows that', async () => {
    queen.onJob = (job) => {
      if (job.request.body.operation === 'model_verify') {
        job.data('model_verify', { hive_id: 'gpu-2', models: [verified(false)] });
      } else job.downloads[0]?.complete('/models/model.Q4_K_M.gguf');
      job.end({ state: 'completed' });
    };
    const { code, stdout } = await keeper('model', 'verify', ID, '--repair');
    expect(code).toBe(EXIT_CODES.done);
    expect(asked()[1]).toMatchObject({ operation: 'model_download', model: PINNED, hive_id: 'gpu-2' });
    expect(stdout).toMatch(/damaged[\s\S]*\n\/models\/model\.Q4_K_M\.gguf\n$/);
    expect(stdout).not.toContain('--repair');
  });

  it('with --repair downloads nothing if nothing is damaged', async () => {
    answers({ hive_id: 'gpu-1', models: [verified(true)] });
    expect((await keeper('model', 'verify', '--repair')).code).toBe(EXIT_CODES.done);
    expect(queen.jobs).toHaveLength(1);
  });
});

describe('model prune', () => {
  const entry = { path: '/models/x.incomplete', kind: 'partial', bytes: 1_000_000, modified_at: MODIFIED };

  it('with --dry-run shows what would be removed, and removes nothing', async () => {
    answers({ hive_id: 'gpu-1', dry_run: true, removed: [entry], freed_bytes: 1_000_000 });
    const { code, stdout } = await keeper('model', 'prune', '--dry-run');
    expect(code).toBe(EXIT_CODES.done);
    expect(asked()).toMatchObject([{ operation: 'model_prune', dry_run: true }]);
    const row =
      /^\/models\/x\.incomplete +partial +1\.0 MB +gpu-1 +.* ago +\/models\/x\.incomplete\n1\.0 MB would be freed/m;
    expect(stdout).toMatch(row);
  });

  it('sums up what every hive removed', async () => {
    const part = { dry_run: false, removed: [entry], freed_bytes: 1_000_000 };
    answers({ hive_id: 'gpu-1', ...part }, { hive_id: 'gpu-2', ...part });
    expect((await keeper('model', 'prune')).stdout).toContain('\n2.0 MB freed\n');
    const { stdout } = await keeper('model', 'prune', '--json');
    const removed = [
      { hive_id: 'gpu-1', ...entry },
      { hive_id: 'gpu-2', ...entry },
    ];
    expect(JSON.parse(stdout)).toEqual({ dry_run: false, freed_bytes: 2_000_000, removed, kept: [] });
  });

  it('[K3] says why recent partial files stay, and what removes them', async () => {
    const kept = [{ ...entry, reason: 'recent' }];
    answers({ hive_id: 'gpu-1', dry_run: false, removed: [], freed_bytes: 0, kept });
    const { stdout } = await keeper('model', 'prune');
    expect(stdout).toBe(
      'nothing to prune\n1 partial file (1.0 MB) stays: changed in the last 24 h; ' +
        'remove it with "rbee-keeper model prune --partials"\n',
    );
    await keeper('model', 'prune', '--partials', '--older-than', '2h');
    expect(asked()[1]).toMatchObject({ operation: 'model_prune', partials: true, min_age_secs: 7_200 });
  });

  it('shows what was removed if one hive failed, and exits with that failure', async () => {
    queen.onJob = (job) => {
      job.data('model_prune', { hive_id: 'gpu-1', dry_run: false, removed: [], freed_bytes: 0 });
      job.end({ state: 'failed', message: 'gpu-2 cannot be reached' }, 'HIVE_UNAVAILABLE');
    };
    const { code, stdout, stderr } = await keeper('model', 'prune');
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.unreachable, stdout: 'nothing to prune\n' });
    expect(stderr).toContain('gpu-2 cannot be reached');
  });

  it('rejects an invalid result', async () => {
    answers({ hive_id: 'gpu-1', dry_run: true });
    const { code, stderr } = await keeper('model', 'prune');
    expect(code).toBe(EXIT_CODES.failed);
    expect(stderr).toContain('invalid result of model_prune');
  });
});

describe('hives', () => {
  it('are limited while they run, and unlimited again', async () => {
    const { code, stdout } = await keeper('hive', 'limit', 'gpu-2', '--max-bandwidth', '50MB/s');
    expect({ code, stdout }).toEqual({
      code: EXIT_CODES.done,
      stdout: 'gpu-2: limited to 50.0 MB/s in total\n',
    });
    const request = await queen.waitForRequest('PATCH', /^\/v1\/hives\/gpu-2$/);
    expect(request.body).toEqual({ max_bandwidth: 50_000_000 });
    const json = await keeper('hive', 'limit', 'gpu-2', '--max-bandwidth', '0', '--json');
    expect(JSON.parse(json.stdout)).toEqual({ hive_id: 'gpu-2', max_bandwidth: null });
  });

  it.each([
    ['limited', ['hive', 'limit', 'gpu2', '--max-bandwidth', '1MB/s']],
    ['asked for a plan', ['model', 'plan', 'org/repo', '--hive', 'gpu2']],
    ['given a download', ['pull', 'org/repo', '--hive', 'gpu2']],
  ])('that are unknown are not %s; the error suggests the closest name', async (_, words) => {
    queen.hives.splice(0, 1);
    queen.refuses = ({ method, body }) =>
      method === 'POST' && body.hive_id === 'gpu2' ? new RbeeError('HIVE_NOT_FOUND', 'there is no hive gpu2') : null;
    const { code, stderr } = await keeper(...words);
    expect(code).toBe(EXIT_CODES.failed);
    expect(stderr).toContain('error: there is no hive gpu2');
    expect(stderr).toContain('hint: did you mean "gpu-2"? run "rbee-keeper hive list" to see the names');
  });
});

describe('model download', () => {
  it('passes on which files to download and to skip', async () => {
    queen.onJob = (job) => {
      job.downloads[0]?.complete('/models/x');
      job.end({ state: 'completed' });
    };
    const globs = ['--include', '*.json', '--include', '*.txt', '--exclude', 'x*'];
    expect((await keeper('pull', 'org/repo', ...globs)).code).toBe(EXIT_CODES.done);
    expect(asked()).toMatchObject([{ include: ['*.json', '*.txt'], exclude: ['x*'] }]);
  });
});

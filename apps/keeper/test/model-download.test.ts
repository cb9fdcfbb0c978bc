import { EXIT_CODES, queenOperationSchema, RbeeError } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { priority } from '../src/commands/option-values.ts';
import { type FakeQueen, hiveNamed, startFakeQueen } from './support/fake-queen.ts';
import { runKeeper, startKeeper } from './support/keeper.ts';

const REF = 'hf:org/repo::file=x.gguf';

let queen: FakeQueen;
beforeEach(async () => {
  queen = await startFakeQueen();
});
afterEach(() => queen.close());

function completesAt(path: string): void {
  queen.onJob = (job) => {
    for (const download of job.downloads) {
      download.progress({ status: 'downloading', bytes: 250, total: 1_000, speed_bps: 100, eta_secs: 8 });
      download.complete(path);
    }
    job.end({ state: 'completed' });
  };
}

describe('model download, not on a terminal', () => {
  it('prints only the path on stdout and exits with 0', async () => {
    completesAt('/models/x.gguf');
    const { code, stdout, stderr } = await runKeeper(['model', 'download', REF], { queen });
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.done, stdout: '/models/x.gguf\n' });
    expect(stderr).toContain('x.gguf: complete, 1.0 kB');
    expect(stderr).not.toContain('\u001b');
  });

  it('[I6] prints a plain line for each change of status, each heartbeat and each step, and no other', async () => {
    const keeper = await startKeeper(['pull', REF], { queen });
    const { job, download } = await queen.waitForJob(0);
    await keeper.waitFor(() => keeper.stderr().includes('x.gguf: queued'), 'the first status');
    download.progress({ status: 'downloading', bytes: 250, total: 1_000 });
    await keeper.waitFor(() => keeper.stderr().includes('x.gguf: downloading, 250 B of 1.0 kB'), 'the second');
    download.progress({ bytes: 260 });
    download.progress({ bytes: 500 });
    job.narrate('download_progress', '⏳ Still downloading x.gguf');
    await keeper.waitFor(() => keeper.stderr().includes('⏳ Still downloading x.gguf\n'), 'the heartbeat');
    download.progress({ status: 'verifying' });
    await keeper.waitFor(() => keeper.stderr().includes('x.gguf: verifying'), 'the third');
    download.complete('/models/x.gguf');
    job.end({ state: 'completed' });
    expect((await keeper.exited).code).toBe(EXIT_CODES.done);
    expect(keeper.stderr().trimEnd().split('\n')).toHaveLength(6);
  });

  it('sends the ref, the hives, the hash, a token and a request id', async () => {
    completesAt('/models/x.gguf');
    const hash = 'ab'.repeat(32);
    const words = [
      '--token',
      'secret',
      'dl',
      REF,
      '--hive',
      'gpu-1',
      '--hive',
      'gpu-2',
      '--sha256',
      hash.toUpperCase(),
    ];
    await runKeeper(words, { queen });
    const { body, headers } = await queen.waitForRequest('POST', /jobs/);
    expect(body).toMatchObject({ model: REF, hive_id: ['gpu-1', 'gpu-2'], sha256: hash });
    expect(headers.authorization).toBe('Bearer secret');
    expect(headers['x-request-id']).toMatch(/^cli-[a-z0-9]+-[a-z0-9]+$/);
    const ids = queen.requests
      .filter(({ path }) => path !== '/health')
      .map((request) => request.headers['x-request-id']);
    expect(ids.length).toBeGreaterThan(2);
    expect(new Set(ids).size).toBe(1);
  });

  it('[H2] prints a line for the projector that comes along', async () => {
    queen.onJob = (job) => {
      job.narrate('download_start', '📥 Downloading 2 files');
      job.narrate('download_projector', '👀 mmproj-F16.gguf of org/repo comes along');
      for (const download of job.downloads) download.complete('/models');
      job.end({ state: 'completed' });
    };
    const { stderr } = await runKeeper(['pull', 'org/repo'], { queen });
    expect(stderr).toContain('👀 mmproj-F16.gguf of org/repo comes along\n');
    expect(stderr).not.toContain('Downloading 2 files');
    const quiet = await runKeeper(['pull', 'org/repo', '--quiet'], { queen });
    expect(quiet.stderr).not.toContain('comes along');
  });

  it.each([
    ['org/repo', [], ['*mmproj*']],
    ['org/repo:Q4_K_M', [], ['*mmproj*']],
    ['org/repo', ['--exclude', '*.md'], ['*.md', '*mmproj*']],
    // Nothing comes along with these.
    [REF, [], undefined],
    ['ollama:tiny', [], undefined],
    ['https://host.example/x.gguf', [], undefined],
  ])('[H2] --no-mmproj leaves out the projector of %s %j', async (ref, more, exclude) => {
    completesAt('/models/x.gguf');
    await runKeeper(['pull', ref, '--no-mmproj', ...more], { queen });
    expect(queen.jobs[0]?.request.body.exclude).toEqual(exclude);
  });

  it('sends a bandwidth as bytes per second, and a priority', async () => {
    completesAt('/models/x.gguf');
    await runKeeper(['pull', REF, '--max-bandwidth', '50MB/s', '--priority', '-5'], { queen });
    expect(queen.jobs[0]?.request.body).toMatchObject({ max_bandwidth: 50_000_000, priority: -5 });
    await runKeeper(['pull', REF, '--max-bandwidth', '0'], { queen });
    expect(queen.jobs[1]?.request.body.max_bandwidth).toBeNull();
    expect(queen.jobs[1]?.request.body).not.toHaveProperty('priority');
  });

  it('accepts the priorities of the contract', () => {
    const takes = (value: number) =>
      queenOperationSchema.safeParse({ operation: 'model_download', model: REF, priority: value }).success;
    expect([-1_000_001, -1_000_000, 1_000_000, 1_000_001].map(takes)).toEqual([false, true, true, false]);
    expect([-1_000_000, 1_000_000].map((value) => priority(String(value)))).toEqual([-1_000_000, 1_000_000]);
    for (const value of [-1_000_001, 1_000_001]) expect(() => priority(String(value))).toThrow('whole number');
  });

  it('follows a download on every hive with --all-hives and prints a path for each', async () => {
    queen.hives.push(hiveNamed('gpu-2'));
    completesAt('/models/x.gguf');
    const { stdout, stderr } = await runKeeper(['pull', REF, '--all-hives'], { queen });
    expect(queen.jobs[0]?.request.body.hive_id).toBe('*');
    expect(stdout).toBe('/models/x.gguf\n/models/x.gguf\n');
    expect(stderr).toContain('gpu-2 x.gguf: complete');
  });

  it('starts several models and exits with the worst code', async () => {
    queen.onJob = (job) => {
      const [download] = job.downloads;
      if (job.request.body.model === REF) {
        download?.complete('/models/x.gguf');
        job.end({ state: 'completed' });
      } else {
        download?.fail('MODEL_GATED', 'the model is gated', { hint: 'accept the terms at https://hub/org/other' });
        job.end({ state: 'failed', message: 'the model is gated' });
      }
    };
    const { code, stdout, stderr } = await runKeeper(['pull', 'org/other', REF], { queen });
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.failed, stdout: '/models/x.gguf\n' });
    expect(stderr).toContain('error: other: the model is gated (MODEL_GATED)\nhint: accept the terms at https://hub');
  });

  it('continues with the other models if the queen rejects one', async () => {
    completesAt('/models/x.gguf');
    queen.refuses = ({ method, body }) =>
      method === 'POST' && body.model !== REF ? new RbeeError('SOURCE_NOT_ALLOWED', 'this source is off') : null;
    const { code, stdout, stderr } = await runKeeper(['pull', 'org/other', REF], { queen });
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.failed, stdout: '/models/x.gguf\n' });
    const where = `from ${queen.url}, request request-1`;
    expect(stderr).toContain(`error: this source is off (SOURCE_NOT_ALLOWED, ${where})`);
  });

  it('with --detach prints only the ids on stdout and keeps the job running', async () => {
    const { code, stdout } = await runKeeper(['pull', REF, '--detach'], { queen });
    expect(code).toBe(EXIT_CODES.done);
    expect(stdout).toBe(`${queen.jobs[0]?.downloads[0]?.id}\n`);
    expect(queen.requests.some(({ method }) => method === 'DELETE')).toBe(false);
  });

  it('prints only the result with --quiet', async () => {
    completesAt('/models/x.gguf');
    const { stdout, stderr } = await runKeeper(['pull', REF, '--quiet'], { queen });
    expect({ stdout, stderr }).toEqual({ stdout: '/models/x.gguf\n', stderr: '' });
  });

  it('fails with the reason of the job if a download has no terminal event', async () => {
    queen.onJob = (job) => job.end({ state: 'failed', message: 'the disk is full' }, 'DISK_FULL');
    const { code, stderr } = await runKeeper(['pull', REF], { queen });
    expect(code).toBe(EXIT_CODES.failed);
    expect(stderr).toContain('error: the disk is full');
    expect(stderr).toContain('hint: look at the disk');
  });

  it('reconnects if the connection to the queen drops', async () => {
    const keeper = await startKeeper(['pull', REF], { queen });
    const { job, download } = await queen.waitForJob(0);
    await keeper.waitFor(() => keeper.stderr().includes('queued'), 'the first status');
    await queen.hangUp();
    await keeper.waitFor(() => keeper.stderr().includes('lost the connection to the queen, reconnecting'), 'the loss');
    await queen.listen();
    await keeper.waitFor(() => keeper.stderr().includes('reconnected to the queen'), 'the return');
    download.complete('/models/x.gguf');
    job.end({ state: 'completed' });
    expect((await keeper.exited).code).toBe(EXIT_CODES.done);
    expect(keeper.stdout()).toBe('/models/x.gguf\n');
  });
});

describe('model download --json', () => {
  it('prints one event per line on stdout and nothing else', async () => {
    queen.onJob = (job) => {
      job.narrate('download_start', 'starting');
      job.downloads[0]?.complete('/models/x.gguf');
      job.end({ state: 'completed' });
    };
    const { code, stdout, stderr } = await runKeeper(['pull', REF, '--json'], { queen });
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(code).toBe(EXIT_CODES.done);
    expect(events[0]).toMatchObject({ event: 'accepted', model: REF, data: { job_id: queen.jobs[0]?.id } });
    expect(events.map(({ event }) => event)).toEqual(expect.arrayContaining(['narration', 'complete', 'end']));
    expect(events.find(({ event }) => event === 'complete').data).toMatchObject({
      path: '/models/x.gguf',
      orchestrator_id: 'queen-1',
    });
    expect(stderr).toBe('');
  });

  it('prints an error event for a failed download, and the same for people on stderr', async () => {
    queen.onJob = (job) => {
      job.downloads[0]?.fail('DISK_FULL', 'the disk is full');
      job.end({ state: 'failed', message: 'the disk is full' });
    };
    const { code, stdout, stderr } = await runKeeper(['--json', 'pull', REF], { queen });
    const last = stdout.split('\n').find((line) => line.startsWith('{"event":"error"')) ?? '{}';
    expect(code).toBe(EXIT_CODES.failed);
    expect(JSON.parse(last).data).toMatchObject({ code: 'DISK_FULL', error: 'the disk is full' });
    expect(stderr).toContain('error: x.gguf: the disk is full (DISK_FULL)');
  });
});

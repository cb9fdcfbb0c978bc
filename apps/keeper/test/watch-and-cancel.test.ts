import { EXIT_CODES } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeQueen, startFakeQueen } from './support/fake-queen.ts';
import { runKeeper, startKeeper } from './support/keeper.ts';

let queen: FakeQueen;
beforeEach(async () => {
  queen = await startFakeQueen();
});
afterEach(() => queen.close());

describe('download watch', () => {
  it('shows the whole fleet by default, including new downloads, until Ctrl+C', async () => {
    const { download: a } = queen.addJob('hf:org/a::file=a.gguf');
    const keeper = await startKeeper(['download', 'watch'], { queen });
    await keeper.waitFor(() => keeper.stderr().includes('a.gguf: queued'), 'the first');
    a.complete('/models/a.gguf');
    const { download: b } = queen.addJob('hf:org/a::file=b.gguf');
    await keeper.waitFor(() => keeper.stderr().includes('b.gguf: queued'), 'the second');
    b.fail('DISK_FULL', 'the disk is full');
    await keeper.waitFor(() => keeper.stderr().includes('error: gpu-1 b.gguf: the disk is full'), 'its end');
    expect(await keeper.stop('SIGINT')).toBe(EXIT_CODES.interrupted);
    expect(keeper.stdout()).toBe('/models/a.gguf\n');
    expect(queen.requests.some(({ method }) => method !== 'GET')).toBe(false);
  });

  it('continues after a lost connection', async () => {
    const { download } = queen.addJob('hf:org/a::file=a.gguf');
    const keeper = await startKeeper(['download', 'watch', '--json'], { queen });
    const events = () => keeper.lines.map(({ json }) => json?.event);
    await keeper.waitFor(() => events().includes('progress'), 'the first event');
    await queen.hangUp();
    await keeper.waitFor(() => events().includes('connection'), 'the loss');
    await queen.listen();
    download.complete('/models/a.gguf');
    await keeper.waitFor(() => events().includes('complete'), 'the end');
    expect(await keeper.stop('SIGINT')).toBe(EXIT_CODES.interrupted);
  });

  it('[I6] prints progress at intervals without a terminal', async () => {
    const { download } = queen.addJob('hf:org/a::file=a.gguf');
    const keeper = await startKeeper(['download', 'watch', download.id], { queen });
    await keeper.waitFor(() => keeper.stderr().includes('queued'), 'the first status');
    for (const secs of [1, 1.1, 12]) {
      const bytes = Math.round(secs * 100);
      download.progress({
        status: 'downloading',
        elapsed_secs: secs,
        bytes,
        total: 2_000,
        speed_bps: 100,
        eta_secs: 8,
      });
      await keeper.waitFor(
        () => secs === 1.1 || keeper.stderr().includes(`downloading, ${bytes} B`) || secs === 12,
        'it',
      );
    }
    await keeper.waitFor(
      () => keeper.stderr().includes('downloading, 1.2 kB of 2.0 kB (60.0%), 100 B/s, 8s left'),
      'the line',
    );
    download.complete('/models/a.gguf');
    await keeper.exited;
    expect(keeper.stderr()).not.toContain('downloading, 110 B');
  });

  it('shows that a download is paused, and continues when it resumes', async () => {
    const { download } = queen.addJob('hf:org/a::file=a.gguf');
    download.progress({ status: 'downloading', bytes: 250, total: 1_000 });
    const keeper = await startKeeper(['download', 'watch', download.id], { queen });
    await keeper.waitFor(() => keeper.stderr().includes('downloading'), 'the first status');
    expect((await runKeeper(['download', 'pause', download.id], { queen })).code).toBe(EXIT_CODES.done);
    await keeper.waitFor(() => keeper.stderr().includes('a.gguf: paused, 250 B of 1.0 kB\n'), 'the pause');
    expect((await runKeeper(['download', 'resume', download.id], { queen })).code).toBe(EXIT_CODES.done);
    await keeper.waitFor(() => keeper.stderr().includes('a.gguf: queued\n'), 'the resume');
    download.progress({ status: 'downloading', bytes: 500 });
    download.complete('/models/a.gguf');
    expect((await keeper.exited).code).toBe(EXIT_CODES.done);
    expect(keeper.stdout()).toBe('/models/a.gguf\n');
    expect(keeper.stderr()).toMatch(/downloading.*\n.*paused.*\n.*queued\n.*downloading, 500 B.*\n.*complete/);
  });

  it('shows the end of a download that has ended before', async () => {
    const { download } = queen.addJob('hf:org/a::file=a.gguf');
    download.complete('/models/a.gguf');
    const { code, stdout } = await runKeeper(['download', 'watch', download.id], { queen });
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.done, stdout: '/models/a.gguf\n' });
  });

  it('on an interrupt exits with 130 and cancels nothing', async () => {
    const { download } = queen.addJob('hf:org/a::file=a.gguf');
    const keeper = await startKeeper(['download', 'watch', download.id], { queen });
    await keeper.waitFor(() => keeper.stderr().includes('queued'), 'the first status');
    expect(await keeper.stop('SIGINT')).toBe(EXIT_CODES.interrupted);
    expect(queen.requests.some(({ method }) => method === 'DELETE')).toBe(false);
    expect(keeper.stderr()).toBe('a.gguf: queued\n');
  });
});

describe('ids', () => {
  it('may be given as a beginning, with or without the prefix', async () => {
    const { download } = queen.addJob('hf:org/a::file=a.gguf');
    download.complete('/models/a.gguf');
    const digits = download.id.slice('dl-'.length);
    for (const text of [download.id.slice(0, -1), digits, digits.slice(0, 20), digits.slice(0, 20).toUpperCase()]) {
      expect((await runKeeper(['download', 'watch', text], { queen })).stdout).toBe('/models/a.gguf\n');
    }
  });

  it('that match several are rejected with the candidates', async () => {
    const { download: a } = queen.addJob('hf:org/a::file=a.gguf');
    const { download: b } = queen.addJob('hf:org/a::file=b.gguf');
    const { code, stderr } = await runKeeper(['download', 'cancel', 'dl-0'], { queen });
    expect(code).toBe(EXIT_CODES.usage);
    expect(stderr).toContain('"dl-0" matches 2 downloads:');
    expect(stderr).toContain(a.id);
    expect(stderr).toContain(b.id);
    expect(queen.requests.some(({ method }) => method === 'DELETE')).toBe(false);
  });

  it('that match none are not found, nor are unknown full ids', async () => {
    const { stdout } = await runKeeper(['job', 'cancel', 'abc', '--json'], { queen });
    expect(JSON.parse(stdout).error.code).toBe('JOB_NOT_FOUND');
    const unknown = 'dl-01999c3a-4f2b-7000-8000-000000000000';
    const { code, stderr } = await runKeeper(['download', 'watch', unknown], { queen });
    expect(code).toBe(EXIT_CODES.failed);
    expect(stderr).toContain('DOWNLOAD_NOT_FOUND');
  });
});

describe('download cancel and job cancel', () => {
  it('[K1] cancels a download for all that wait for it, and shows how many and what was kept', async () => {
    const { download } = queen.addJob('hf:org/a::file=a.gguf');
    download.progress({ status: 'downloading', bytes: 412_500_000, total: 637_800_000 });
    const { code, stdout } = await runKeeper(['download', 'cancel', download.id], { queen });
    expect(code).toBe(EXIT_CODES.done);
    expect(stdout).toBe(
      `${download.id}: cancelled (1 job), 412.5 MB kept; resume with "rbee-keeper download retry ${download.id}"\n`,
    );
    expect(await queen.waitForRequest('POST', /cancel/)).toMatchObject({
      path: `/v1/downloads/${download.id}/cancel`,
      query: { partial: 'keep' },
    });
    const again = await runKeeper(['download', 'cancel', download.id], { queen });
    expect(again).toMatchObject({ code: EXIT_CODES.done, stdout: expect.stringContaining('already cancelled') });
  });

  it('deletes partial files with --discard', async () => {
    const { job } = queen.addJob('hf:org/a::file=a.gguf');
    await runKeeper(['job', 'cancel', job.id, '--discard'], { queen });
    expect((await queen.waitForRequest('DELETE', /./)).query).toEqual({ partial: 'discard' });
  });

  it('prints the receipt unchanged with --json', async () => {
    const { job, download } = queen.addJob('hf:org/a::file=a.gguf');
    const { stdout } = await runKeeper(['job', 'cancel', job.id, '--json'], { queen });
    expect(JSON.parse(stdout)).toMatchObject({ job_id: job.id, downloads: [{ download_id: download.id }] });
  });

  it('exits with 3 if the hive of a download is unreachable', async () => {
    const { job, download } = queen.addJob('hf:org/a::file=a.gguf');
    queen.onCancel = ({ snapshot }) => ({
      job_id: snapshot.job_id,
      status: 'cancelled',
      downloads: [
        { download_id: download.snapshot.download_id, hive_id: 'gpu-1', state: 'unreachable', partial: null, bytes: 0 },
      ],
    });
    const { code, stdout } = await runKeeper(['job', 'cancel', job.id], { queen });
    expect(code).toBe(EXIT_CODES.unreachable);
    expect(stdout).toContain('hive gpu-1 is unreachable; the download is cancelled when it is back');
  });
});

describe('job watch', () => {
  it('prints the narration from the first line, on stdout, to the end of the job', async () => {
    const { job } = queen.addJob('hf:org/a::file=a.gguf');
    job.narrate('hive_chosen', 'gpu-1 will download it');
    const keeper = await startKeeper(['job', 'watch', job.id], { queen });
    await keeper.waitForLine(({ text }) => text.endsWith('gpu-1: gpu-1 will download it'), 'what was said before');
    job.narrate('download_start', 'downloading a.gguf');
    job.end({ state: 'completed' });
    expect((await keeper.exited).code).toBe(EXIT_CODES.done);
    expect(keeper.lines.map(({ text }) => text.replace(/^\d\d:\d\d:\d\d /, ''))).toEqual([
      'gpu-1: gpu-1 will download it',
      'gpu-1: downloading a.gguf',
    ]);
  });

  it('exits with 1 and the reason if the job failed or was cancelled', async () => {
    const { job: failed } = queen.addJob('hf:org/a::file=a.gguf');
    failed.end({ state: 'failed', message: 'the disk is full' }, 'DISK_FULL');
    const { code, stderr } = await runKeeper(['job', 'watch', failed.id], { queen });
    expect(code).toBe(EXIT_CODES.failed);
    expect(stderr).toBe('error: the disk is full\nhint: look at the disk\n');
    const { job: gone } = queen.addJob('hf:org/a::file=b.gguf');
    gone.end({ state: 'cancelled' });
    const result = await runKeeper(['job', 'watch', gone.id, '--json'], { queen });
    expect(result.code).toBe(EXIT_CODES.failed);
    expect(
      result.stdout
        .split('\n')
        .slice(0, 2)
        .map((line) => Object.keys(JSON.parse(line))),
    ).toEqual([['event', 'data'], ['error']]);
  });
});

import { EXIT_CODES, modelIdOf } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ListedModel } from '../src/results.ts';
import { type FakeQueen, hiveNamed, startFakeQueen } from './support/fake-queen.ts';
import { runKeeper } from './support/keeper.ts';

let queen: FakeQueen;
beforeEach(async () => {
  queen = await startFakeQueen();
});
afterEach(() => queen.close());

const model = (name: string, hive: string): ListedModel => ({
  hive_id: hive,
  model_id: modelIdOf(name),
  model_ref: name,
  bytes: 637_800_000,
  files: 1,
  path: `/models/${name}`,
  modified_at: '2026-01-02T03:04:05.000Z',
});

describe('model list', () => {
  it('shows the models of each hive', async () => {
    queen.stores.models = [model('hf:org/b@0', 'gpu-2'), model('hf:org/a@0', 'gpu-1')];
    const { code, stdout, stderr } = await runKeeper(['model', 'list'], { queen });
    expect({ code, stderr }).toEqual({ code: EXIT_CODES.done, stderr: '' });
    const date = expect.stringMatching(/^\d+ \w+ ago$/);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['REPO', 'MODEL', 'HIVE', 'SIZE', 'DOWNLOADED', 'ID'],
      ['org/a', 'a', 'gpu-1', '637.8 MB', date, modelIdOf('hf:org/a@0').slice(0, 9)],
      ['org/b', 'b', 'gpu-2', '637.8 MB', date, modelIdOf('hf:org/b@0').slice(0, 9)],
      [''],
    ]);
    const wide = await runKeeper(['ls', '-o', 'wide'], { queen });
    expect(wide.stdout).toContain(modelIdOf('hf:org/a@0'));
    expect(wide.stdout).toContain('/models/hf:org/a@0');
    expect(queen.jobs).toEqual([]);
  });

  it('lists partials and problems on stderr, and has them in its JSON', async () => {
    const partial = { path: '/models/x.incomplete', origin: 'hf:org/c', bytes: 500, total: 2_000 };
    queen.stores.models = [model('hf:org/a@0', 'gpu-1')];
    queen.stores.partials = [
      { hive_id: 'gpu-1', ...partial, modified_at: new Date(Date.now() - 7_200_000).toISOString() },
    ];
    queen.stores.problems = [{ hive_id: 'gpu-1', path: '/models/y', message: 'it is no folder' }];
    const { code, stdout, stderr } = await runKeeper(['model', 'list'], { queen });
    expect(code).toBe(EXIT_CODES.done);
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(stderr).toMatch(/^\nPARTIAL +HIVE +ON DISK +SIZE +CHANGED\nhf:org\/c +gpu-1 +500 B +2\.0 kB +2 hours ago\n/);
    expect(stderr).toContain('\nproblem: gpu-1: /models/y: it is no folder\n');
    const json = await runKeeper(['model', 'list', '--json'], { queen });
    expect(JSON.parse(json.stdout)).toEqual(queen.stores);
    expect(json.stderr).toBe('');
  });

  it('shows the rest if one hive did not respond, and exits with 3', async () => {
    queen.stores.models = [model('hf:org/a@0', 'gpu-1')];
    queen.stores.problems = [{ hive_id: 'gpu-2', path: null, message: 'the hive cannot be reached' }];
    const { code, stdout, stderr } = await runKeeper(['ls'], { queen });
    expect(code).toBe(EXIT_CODES.unreachable);
    expect(stdout).toContain('org/a');
    expect(stderr).toContain('problem: gpu-2: the hive cannot be reached');
  });

  it('shows the models of one hive, and suggests the closest name', async () => {
    queen.hives.push(hiveNamed('gpu-2'));
    queen.stores.models = [model('hf:org/b@0', 'gpu-2'), model('hf:org/a@0', 'gpu-1')];
    const { stdout } = await runKeeper(['ls', '--hive', 'gpu-2', '--json'], { queen });
    expect(JSON.parse(stdout).models).toEqual([model('hf:org/b@0', 'gpu-2')]);
    const { code, stderr } = await runKeeper(['ls', '--hive', 'gup-2'], { queen });
    expect(code).toBe(EXIT_CODES.failed);
    expect(stderr).toContain('did you mean "gpu-2"?');
  });

  it('handles a thousand models', async () => {
    queen.stores.models = Array.from({ length: 1_000 }, (_, index) => model(`hf:org/model-${index}@0`, 'gpu-1'));
    const { stdout } = await runKeeper(['ls', '--json'], { queen });
    expect(JSON.parse(stdout).models).toHaveLength(1_000);
  });

  it('prints no terminal control codes from the network', async () => {
    queen.stores.models = [model('hf:org/\u001b[2Ja\u009b31m\u202eb', 'gpu-1')];
    const { stdout } = await runKeeper(['ls'], { queen });
    expect(stdout).toContain('[2Ja');
    expect(stdout).not.toMatch(/[\u001b\u009b\u202e]/);
  });
});

describe('download list', () => {
  it('shows a line for each, newest first, with ids that other commands accept', async () => {
    queen.addJob('hf:org/a::file=old.gguf').download.complete('/models/old.gguf');
    const { download } = queen.addJob('hf:org/a::file=new.gguf');
    download.progress({ status: 'downloading', bytes: 250, total: 1_000, speed_bps: 100 });
    const { stdout } = await runKeeper(['download', 'list'], { queen });
    const [, newest = '', oldest = ''] = stdout.split('\n');
    expect(newest).toMatch(/downloading +25\.0% +1\.0 kB +100 B\/s .* new\.gguf$/);
    expect(oldest).toMatch(/complete .* old\.gguf$/);
    const [prefix = ''] = newest.split(' ');
    expect(download.id.startsWith(prefix)).toBe(true);
    expect((await runKeeper(['download', 'cancel', prefix], { queen })).code).toBe(EXIT_CODES.done);
  });

  it('passes on status and limit, and prints the list as one JSON object', async () => {
    queen.addJob('hf:org/a::file=a.gguf').download.complete('/models/a.gguf');
    const { job, download } = queen.addJob('hf:org/a::file=b.gguf');
    const words = ['download', 'list', '--status', 'queued', '--limit', '5', '--json'];
    const { stdout } = await runKeeper(words, { queen });
    expect(JSON.parse(stdout).downloads).toMatchObject([{ download_id: download.id, job_id: job.id }]);
    expect((await queen.waitForRequest('GET', /downloads/)).query).toEqual({ status: 'queued', limit: '5' });
  });

  it('says so if there are none', async () => {
    expect((await runKeeper(['download', 'list'], { queen })).stdout).toBe('no downloads\n');
  });
});

describe('job list, hive list and status', () => {
  it('job list shows a line for each job, newest first', async () => {
    const { job } = queen.addJob('hf:org/a');
    job.end({ state: 'completed' });
    const { stdout } = await runKeeper(['job', 'list'], { queen });
    expect(stdout).toMatch(/^JOB .*\njob-\S+ +completed +model_download .* a\n$/);
    expect(JSON.parse((await runKeeper(['job', 'list', '--json'], { queen })).stdout).jobs[0].job_id).toBe(job.id);
  });

  it('hive list shows each hive', async () => {
    queen.hives.push(hiveNamed('gpu-2', { online: false, last_seen_at: null, free_bytes: null }));
    const { stdout } = await runKeeper(['hive', 'list'], { queen });
    expect(stdout).toMatch(/gpu-1 +online .*500\.0 GB/);
    expect(stdout).toMatch(/gpu-2 +offline .*never/);
  });

  it('status shows the queen, its hives and active downloads only', async () => {
    queen.addJob('hf:org/a::file=old.gguf').download.complete('/models/old.gguf');
    queen.addJob('hf:org/a::file=new.gguf').download.progress({ status: 'downloading' });
    const { code, stdout } = await runKeeper(['status'], { queen });
    expect(code).toBe(EXIT_CODES.done);
    expect(stdout).toContain(`queen queen-1 at ${queen.url}, version 0.1.0, up 1m01s, 1 of 1 hives online`);
    expect(stdout).toContain('new.gguf');
    expect(stdout).not.toContain('old.gguf');
    const json = JSON.parse((await runKeeper(['status', '--json'], { queen })).stdout);
    expect(Object.keys(json)).toEqual(['queen', 'hives', 'downloads']);
  });
});

import { EXIT_CODES } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeQueen, hiveNamed, startFakeQueen } from './support/fake-queen.ts';
import { type KeeperOptions, openKeeper, startKeeper } from './support/keeper.ts';

let queen: FakeQueen;
beforeEach(async () => {
  queen = await startFakeQueen();
});
afterEach(() => queen.close());

/** The job of each model, whatever the order of their requests. */
async function jobsOf(count: number) {
  const jobs = await Promise.all(Array.from({ length: count }, (_, index) => queen.waitForJob(index)));
  return new Map(jobs.map(({ job, download }) => [String(job.request.body.model), { job, download }]));
}

async function endAll(count: number, order: readonly string[], fails: readonly string[] = []): Promise<void> {
  const jobs = await jobsOf(count);
  for (const model of order) {
    const { job, download } = jobs.get(model) ?? {};
    if (fails.includes(model)) download?.fail('DISK_FULL', 'the disk is full');
    else download?.complete(`/models/${model}`);
    job?.end({ state: 'completed' });
  }
}

const words = (...models: readonly string[]) => ['pull', ...models];
const options = (): KeeperOptions => ({ queen });

describe('paths of several models', () => {
  it('[K12] are printed in the order of the command line', async () => {
    const keeper = await startKeeper(words('o/a', 'o/b', 'o/c'), options());
    await endAll(3, ['o/c', 'o/b', 'o/a']);
    expect((await keeper.exited).code).toBe(EXIT_CODES.done);
    expect(keeper.stdout()).toBe('/models/o/a\n/models/o/b\n/models/o/c\n');
  });

  it('[K12] are printed in that order below bars', async () => {
    const terminal = openKeeper(words('o/a', 'o/b'), { ...options(), cols: 200 });
    await endAll(2, ['o/b', 'o/a']);
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
    expect(terminal.history().split('\n').slice(-2)).toEqual(['/models/o/a', '/models/o/b']);
  });

  it('[K12] are printed as soon as no earlier one is missing', async () => {
    const keeper = await startKeeper(words('o/a', 'o/b'), options());
    const jobs = await jobsOf(2);
    jobs.get('o/a')?.download.complete('/models/o/a');
    await keeper.waitFor(() => keeper.stdout() === '/models/o/a\n', 'the first path');
    await endAll(2, ['o/b']);
    jobs.get('o/a')?.job.end({ state: 'completed' });
    await keeper.exited;
    expect(keeper.stdout()).toBe('/models/o/a\n/models/o/b\n');
  });

  it('[K12] leave out one that failed', async () => {
    const keeper = await startKeeper(words('o/a', 'o/b', 'o/c'), options());
    await endAll(3, ['o/c', 'o/b', 'o/a'], ['o/a']);
    expect((await keeper.exited).code).toBe(EXIT_CODES.failed);
    expect(keeper.stdout()).toBe('/models/o/b\n/models/o/c\n');
  });

  it('[K12] are one for each name, also if one is named twice', async () => {
    const keeper = await startKeeper(words('o/a', 'o/b', 'o/a'), options());
    await endAll(2, ['o/b', 'o/a']);
    await keeper.exited;
    expect(queen.jobs).toHaveLength(2);
    expect(keeper.stdout()).toBe('/models/o/a\n/models/o/b\n/models/o/a\n');
  });

  it('[K12] are in the order of the hives for one model on several', async () => {
    queen.hives.push(hiveNamed('gpu-2'));
    const keeper = await startKeeper([...words('o/a', 'o/b'), '--all-hives'], options());
    const jobs = await jobsOf(2);
    for (const model of ['o/b', 'o/a']) {
      for (const download of [...(jobs.get(model)?.job.downloads ?? [])].reverse()) {
        download.complete(`/${download.hive}/${model}`);
      }
      jobs.get(model)?.job.end({ state: 'completed' });
    }
    await keeper.exited;
    expect(keeper.stdout()).toBe('/gpu-1/o/a\n/gpu-2/o/a\n/gpu-1/o/b\n/gpu-2/o/b\n');
  });

  it('[K12] are printed although an earlier model was refused', async () => {
    queen.refuses = ({ body }) => (body.model === 'o/a' ? { status: 409, body: {} } : null);
    const keeper = await startKeeper(words('o/a', 'o/b'), options());
    await endAll(1, ['o/b']);
    expect((await keeper.exited).code).toBe(EXIT_CODES.failed);
    expect(keeper.stdout()).toBe('/models/o/b\n');
  });
});

it('[K12] the ids of --detach are in the order of the command line', async () => {
  const models = ['o/a', 'o/b', 'o/c', 'o/d'];
  const keeper = await startKeeper([...words(...models), '--detach'], options());
  await keeper.exited;
  const jobs = await jobsOf(4);
  expect(keeper.stdout().trim().split('\n')).toEqual(models.map((model) => jobs.get(model)?.download.id));
});

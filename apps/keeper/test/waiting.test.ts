import { EXIT_CODES } from '@rbee/contract';
import type { TestTerminal } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FakeJob } from './support/fake-job.ts';
import { type FakeQueen, startFakeQueen } from './support/fake-queen.ts';
import { openKeeper, runKeeper } from './support/keeper.ts';

let queen: FakeQueen;
let terminal: TestTerminal | null;
beforeEach(async () => {
  terminal = null;
  queen = await startFakeQueen();
});
afterEach(async () => {
  await terminal?.kill();
  await queen.close();
});

const pruned = (job: FakeJob) => {
  job.data('model_prune', { hive_id: 'gpu-1', dry_run: true, removed: [], freed_bytes: 0 });
  job.end({ state: 'completed' });
};

describe('a command that takes longer than a second', () => {
  it.each([
    ['model', 'plan', 'org/repo'],
    ['model', 'prune', '--dry-run'],
    ['model', 'verify'],
  ])('[K7] shows on a terminal that it is at work: %s %s %s', async (...words) => {
    terminal = openKeeper(
      words.filter((word) => word !== undefined),
      { queen },
    );
    await terminal.waitFor(() => /^working… \d+ s$/m.test(terminal?.screen() ?? ''), 'the line');
    terminal.write('\u0003');
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.interrupted);
    expect(terminal.screen()).not.toContain('working');
  });

  it('[K7] leaves nothing of that beside its result', async () => {
    terminal = openKeeper(['model', 'prune', '--dry-run'], { queen });
    await terminal.waitFor(() => terminal?.screen().includes('working') === true, 'the line');
    await queen.waitFor(() => queen.jobs.length > 0, 'the job');
    for (const job of queen.jobs) pruned(job);
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
    expect(terminal.screen()).toBe('nothing to prune');
  });

  it('[K7] shows nothing of the kind without a terminal', async () => {
    queen.onJob = pruned;
    expect((await runKeeper(['model', 'prune', '--dry-run'], { queen })).stderr).toBe('');
  });
});

describe('--watch', () => {
  it('shows a list again and again until Ctrl+C', async () => {
    terminal = openKeeper(['ps', '--watch'], { queen });
    await terminal.waitFor(() => terminal?.screen().includes('no downloads') === true, 'the first list');
    queen.addJob('hf:org/repo::file=new.gguf');
    await terminal.waitFor(() => terminal?.screen().includes('new.gguf') === true, 'the second list');
    expect(terminal.screen()).not.toContain('no downloads');
    terminal.write('\u0003');
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.interrupted);
  });

  it.each(['ls', 'ps', 'download list', 'job list', 'hive list', 'status'])('needs a terminal: %s', async (line) => {
    const { code, stderr } = await runKeeper([...line.split(' '), '--watch'], { queen });
    expect(code).toBe(EXIT_CODES.usage);
    expect(stderr).toContain('--watch needs a terminal');
  });
});

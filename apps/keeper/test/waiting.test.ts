import { setTimeout as delay } from 'node:timers/promises';
import { EXIT_CODES, modelIdOf } from '@rbee/contract';
import type { TestTerminal } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FakeJob } from './support/fake-job.ts';
import { type FakeQueen, startFakeQueen } from './support/fake-queen.ts';
import { repoWith } from './support/fake-repo.ts';
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

describe('a question', () => {
  const ANSWERED_AFTER_MS = 2_500;
  const question = (text: string) =>
    terminal?.waitFor(() => terminal?.screen().includes(text) === true, 'the question') ?? Promise.reject();
  const MODEL = { model_id: modelIdOf('hf:org/repo@0'), model_ref: 'hf:org/repo@0' };
  beforeEach(() => {
    queen.stores.models = [
      { hive_id: 'gpu-1', ...MODEL, bytes: 1, files: 1, path: '/m', modified_at: new Date().toISOString() },
    ];
    queen.addJob('hf:org/repo').download.complete('/m');
    queen.onJob = (job) => {
      if (job.request.body.dry_run !== true) return;
      job.data('model_delete', { hive_id: 'gpu-1', ...MODEL, freed_bytes: 1, shared_bytes: 0 });
      job.end({ state: 'completed' });
    };
    queen.refuses = ({ path }) => (path === '/v1/repo' ? { status: 200, body: repoWith(['Q4_K_M', 'Q8_0']) } : null);
  });

  it.each([
    ['model plan org/repo', 'Which one? A number or a name, or Enter for Q4_K_M:', '1'],
    ['rm org/repo', '[y/N]', 'n'],
    ['download clear', '[y/N]', 'n'],
  ])('[K7] stays as it is for as long as nobody answers it: %s', async (line, text, answer) => {
    terminal = openKeeper(line.split(' '), { queen });
    await question(text);
    const asked = terminal.screen();
    // Nothing may appear, so there is nothing to wait for.
    await delay(ANSWERED_AFTER_MS);
    expect(terminal.screen()).toBe(asked);
    terminal.write(`${answer}\r`);
    await terminal.waitFor(() => !terminal?.screen().endsWith(text), 'the answer');
    terminal.write('\u0003');
    await terminal.exited;
    expect(terminal.history()).not.toContain('working');
  });

  it('[K7] is followed by the sign of work again, with a time of its own', async () => {
    terminal = openKeeper(['rm', 'org/repo'], { queen });
    await question('[y/N]');
    terminal.write('y\r');
    await terminal.waitFor(() => /^working… 1 s$/m.test(terminal?.screen() ?? ''), 'the line');
    terminal.write('\u0003');
    await terminal.exited;
    expect(terminal.history()).not.toContain('working');
  });

  it('[K7] for a token stays as it is, too', async () => {
    const guarded = await startFakeQueen({ token: 'secret' });
    terminal = openKeeper(['login', guarded.url], { env: { XDG_CONFIG_HOME: '/nowhere' } });
    await question('Token of the queen');
    const asked = terminal.screen();
    await delay(ANSWERED_AFTER_MS);
    expect(terminal.screen()).toBe(asked);
    terminal.write('\u0003');
    await terminal.exited;
    await guarded.close();
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

import { EXIT_CODES, modelIdOf } from '@rbee/contract';
import type { TestTerminal } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeQueen, startFakeQueen } from './support/fake-queen.ts';
import { openKeeper, runKeeper } from './support/keeper.ts';

// Goal: a command that removes something shows what goes and how much that frees, and asks first, on a terminal and only
// there. Method: the keeper in a real terminal against a queen that records what was requested.

const REF = 'hf:org/repo@0123::file=model.Q4_K_M.gguf';
const MODEL = { model_id: modelIdOf(REF), model_ref: REF };
const MODIFIED = '2026-01-02T03:04:05.000Z';
const unused = { path: '/models/x.rbee-partial', kind: 'partial', bytes: 5_000_000, modified_at: MODIFIED };

let queen: FakeQueen;
let terminal: TestTerminal | null;
beforeEach(async () => {
  terminal = null;
  queen = await startFakeQueen();
  queen.stores.models = [
    { hive_id: 'gpu-1', ...MODEL, bytes: 3_000_000, files: 1, path: '/models/x', modified_at: MODIFIED },
  ];
  queen.onJob = (job) => {
    const { operation, dry_run: dryRun = false } = job.request.body;
    const result =
      operation === 'model_delete'
        ? { ...MODEL, freed_bytes: 2_000_000, shared_bytes: 1_000_000 }
        : { dry_run: dryRun, removed: [unused], freed_bytes: 5_000_000 };
    job.data(String(operation), { hive_id: 'gpu-1', ...result });
    job.end({ state: 'completed' });
  };
  queen.addJob(REF).download.complete('/models/x');
});
afterEach(async () => {
  await terminal?.kill();
  await queen.close();
});

/** Whether anything was removed: a job that is no dry run, or a DELETE. */
const changes = () =>
  queen.requests.filter(({ method, body }) => method === 'DELETE' || (method === 'POST' && body['dry_run'] !== true));

const COMMANDS = [
  ['model rm org/repo', 'Remove it and free 2.0 MB? [y/N]', '1.0 MB kept for other models'],
  ['model prune', 'Remove 1 file and free 5.0 MB? [y/N]', '/models/x.rbee-partial'],
  ['download clear', 'Remove it from the history? [y/N]', '1 download (1 complete); files are not removed'],
] as const;

describe.each(COMMANDS)('%s', (line, question, preview) => {
  const words = line.split(' ');
  const ask = async (...more: string[]) => {
    terminal = openKeeper([...words, ...more], { queen, cols: 120 });
    await terminal.waitFor(() => terminal?.screen().includes(question) === true, 'the question');
    expect(terminal.screen()).toContain(preview);
    expect(changes()).toEqual([]);
    return terminal;
  };

  it.each(['y\r', 'Yes\r'])('removes it when the answer is %j', async (answer) => {
    const asked = await ask();
    asked.write(answer);
    expect((await asked.exited).exitCode).toBe(EXIT_CODES.done);
    expect(changes()).toHaveLength(1);
  });

  it.each(['\r', 'n\r', 'yep\r', '\u0004'])('removes nothing when the answer is %j', async (answer) => {
    const asked = await ask();
    asked.write(answer);
    expect((await asked.exited).exitCode).toBe(EXIT_CODES.failed);
    expect(asked.history()).toContain('nothing was removed');
    expect(changes()).toEqual([]);
  });

  it('removes nothing on Ctrl+C', async () => {
    const asked = await ask();
    asked.write('\u0003');
    expect((await asked.exited).exitCode).toBe(EXIT_CODES.interrupted);
    expect(changes()).toEqual([]);
  });

  it.each(['-y', '--yes'])('asks nothing with %s', async (flag) => {
    terminal = openKeeper([...words, flag], { queen, cols: 120 });
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
    expect(terminal.history()).not.toContain('[y/N]');
    expect(changes()).toHaveLength(1);
  });

  it('asks nothing without a terminal', async () => {
    const { code, stderr } = await runKeeper(words, { queen });
    expect({ code, stderr }).toEqual({ code: EXIT_CODES.done, stderr: '' });
    expect(changes()).toHaveLength(1);
  });
});

it('a prune with nothing to remove asks nothing', async () => {
  queen.onJob = (job) => {
    job.data('model_prune', { hive_id: 'gpu-1', dry_run: true, removed: [], freed_bytes: 0 });
    job.end({ state: 'completed' });
  };
  terminal = openKeeper(['model', 'prune'], { queen });
  expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
  expect(terminal.history()).toContain('nothing to prune');
});

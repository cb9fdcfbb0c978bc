import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EXIT_CODES, modelIdOf } from '@rbee/contract';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildProgram } from '../src/program.ts';
import type { FakeJob } from './support/fake-job.ts';
import { type FakeQueen, startFakeQueen } from './support/fake-queen.ts';
import { startKeeper } from './support/keeper.ts';

const REF = 'hf:org/repo@0123::file=model.Q4_K_M.gguf';
const MODEL_ID = modelIdOf(REF);
const MODIFIED = '2026-01-02T03:04:05.000Z';
const model = { model_id: MODEL_ID, model_ref: REF, bytes: 1, files: 1, path: '/x', modified_at: MODIFIED };

/** The result of each operation. */
const ANSWERS: Readonly<Record<string, object>> = {
  model_get: { ...model, file_list: [], gguf: null },
  model_delete: { model_id: MODEL_ID, model_ref: REF, freed_bytes: 1, shared_bytes: 0 },
  model_verify: { models: [{ model_id: MODEL_ID, model_ref: REF, ok: true, files: 1, bytes: 1, problems: [] }] },
  model_prune: { dry_run: false, removed: [], freed_bytes: 0 },
  model_plan: {
    model_ref: REF,
    pinned_ref: REF,
    files: [],
    total: 0,
    present_bytes: 0,
    needed_bytes: 0,
    free_bytes: 1,
    fits: true,
    gguf: null,
  },
};

/** Lines below "Examples:" of every help, without the program's name. */
function examplesOf(program: ReturnType<typeof buildProgram>): string[] {
  let help = '';
  program.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  const own = [...help.matchAll(/^ {2}\$ rbee-keeper (.*)$/gm)].map(([, line = '']) => line);
  return [...own, ...program.commands.flatMap(examplesOf)];
}

const EXAMPLES = [...new Set(examplesOf(buildProgram('0', async () => {}, null)))]
  // It uses the default ports; its own test sets others.
  .filter((line) => !line.startsWith('up'))
  // They need files; their own test has some.
  .filter((line) => !/ -i | --local-dir /.test(line));

let queen: FakeQueen;
let config: TempDir;
beforeEach(async () => {
  [queen, config] = await Promise.all([startFakeQueen(), tempDir()]);
  await mkdir(join(config.path, 'rbee'));
  await writeFile(join(config.path, 'rbee/keeper.toml'), `[queens.lab]\nurl = "${queen.url}"\n`);
  queen.stores.models = [{ hive_id: 'gpu-1', ...model }];
  queen.onJob = (job: FakeJob) => {
    const operation = String(job.request.body.operation);
    job.downloads[0]?.complete('/models/x');
    if (operation in ANSWERS) job.data(operation, { hive_id: 'gpu-1', ...ANSWERS[operation] });
    job.end({ state: 'completed' });
  };
});
afterEach(async () => {
  await queen.close();
  await config.remove();
});

/** The words of an example, with ids replaced by ones that the queen knows. */
function wordsOf(line: string): string[] {
  const { job, download } = queen.addJob('hf:org/repo');
  if (/resume/.test(line)) download.progress({ status: 'paused' });
  if (/retry/.test(line)) download.fail('DISK_FULL', 'the disk is full');
  if (/watch (?:dl|job)/.test(line)) {
    download.complete('/models/x');
    job.end({ state: 'completed' });
  }
  return line
    .replace(/ > .*$/, '')
    .split(' ')
    .map((word) => word.replaceAll("'", ''))
    .map((word) => {
      if (/^(?:dl-)?01999c3a/.test(word))
        return word.startsWith('dl-') ? download.id.slice(0, 30) : download.id.slice(3);
      if (/^job-/.test(word)) return job.id;
      if (/^https?:\/\/(?:gpu-server|queen\.)/.test(word)) return queen.url;
      return word === 'm-0123456789ab' ? MODEL_ID : word;
    });
}

describe('the examples of the help', () => {
  it('exist for every command', () => {
    expect(EXAMPLES.length).toBeGreaterThan(40);
  });

  it.each(EXAMPLES)('%s', async (line) => {
    const env = { HOME: config.path, XDG_CONFIG_HOME: config.path, SHELL: '/bin/bash' };
    const program = await startKeeper(wordsOf(line), { queen, env });
    const isEndless = line === 'download watch';
    if (isEndless) await program.waitFor(() => program.stderr().includes('queued'), 'the first event');
    const code = isEndless ? await program.stop('SIGINT') : (await program.exited).code;
    expect(program.stderr()).not.toContain('error:');
    expect(code).toBe(isEndless ? EXIT_CODES.interrupted : EXIT_CODES.done);
  });
});

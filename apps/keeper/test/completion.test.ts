import { spawnSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT_CODES, modelIdOf } from '@rbee/contract';
import { openTerminal, type TempDir, type TestTerminal, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeQueen, hiveNamed, startFakeQueen } from './support/fake-queen.ts';
import { runKeeper } from './support/keeper.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const REF = 'hf:org/repo@0123::file=model.gguf';

let queen: FakeQueen;
beforeEach(async () => {
  queen = await startFakeQueen();
  queen.hives.push(hiveNamed('workstation'));
});
afterEach(() => queen.close());

/** The candidates for a command line with an unfinished last word. */
async function candidates(...words: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await runKeeper(['__complete', ...words], { queen });
  expect({ code, stderr }).toEqual({ code: EXIT_CODES.done, stderr: '' });
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.slice(0, line.indexOf('\t'))]));
}

describe('what is completed', () => {
  it.each([
    ['commands', ['mod'], ['model']],
    ['commands of a group', ['model', 'pr'], ['prune']],
    ['commands of a group behind options', ['--json', '--queen', 'x', 'job', 'wa'], ['watch']],
    ['options', ['model', 'download', 'org/repo', '--in'], ['--include']],
    ['options of every command', ['hive', 'list', '--js'], ['--json']],
    ['values of an option', ['download', 'list', '--status', 'q'], ['queued']],
    ['values of an option that is one word with it', ['download', 'list', '--status=pau'], ['paused']],
    ['values of an option as bash splits them', ['download', 'list', '--status', '=', 'pau'], ['paused']],
    ['shells', ['completion', ''], ['bash', 'zsh', 'fish']],
    ['nothing where anything may come', ['model', 'download', 'or'], []],
    ['nothing where nothing more may come', ['download', 'show', 'dl-1', ''], []],
    ['hives', ['hive', 'limit', ''], ['gpu-1', 'workstation']],
    ['hives behind an option', ['pull', 'org/repo', '--hive', 'w'], ['workstation']],
  ])('%s', async (_, words, expected) => {
    expect(await candidates(...words)).toEqual(expected);
  });

  it('download ids, each once, and job ids', async () => {
    const { job, download } = queen.addJob('hf:org/repo');
    const { download: other } = queen.addJob('hf:org/other');
    expect(await candidates('download', 'pause', 'dl-')).toEqual([other.id, download.id]);
    expect(await candidates('download', 'watch', download.id, '')).toEqual([other.id]);
    expect(await candidates('job', 'watch', job.id.slice(0, 12))).toEqual([job.id]);
  });

  it('model ids, or names once one is started', async () => {
    const model = { hive_id: 'gpu-1', model_id: modelIdOf(REF), model_ref: REF, bytes: 1, files: 1, path: '/x' };
    const listed = { ...model, modified_at: '2026-01-02T03:04:05.000Z' };
    queen.stores.models = [listed, { ...listed, hive_id: 'workstation' }];
    expect(await candidates('model', 'get', 'm-')).toEqual([modelIdOf(REF)]);
    expect(await candidates('model', 'verify', 'hf:org')).toEqual([REF]);
    expect(await candidates('model', 'plan', 'm-')).toEqual([]);
  });

  it('nothing, silently, if no queen responds or the settings are wrong', async () => {
    await queen.hangUp();
    expect(await candidates('hive', 'limit', '')).toEqual([]);
    expect(await candidates('--queen', 'nonsense', 'hive', 'limit', '')).toEqual([]);
  });

  it('nothing, and soon, if the queen does not respond', async () => {
    queen.refuses = () => 'silence';
    expect(await candidates('hive', 'limit', '')).toEqual([]);
  });

  it('one line each, whatever the names of hives', async () => {
    const odd = { ...hiveNamed('x'), hive_id: 'x\ny\t\u001b[2J' };
    queen.refuses = () => ({ status: 200, body: { hives: [odd] } });
    expect(await candidates('hive', 'limit', 'x')).toEqual(['x y [2J']);
  });
});

const SHELLS = [
  ['bash', ['--norc', '--noprofile', '-i'], 'source <(rbee-keeper completion bash)'],
  ['zsh', ['-f', '-i'], 'autoload -U compinit; compinit -D; source <(rbee-keeper completion zsh)'],
  ['fish', ['--no-config', '-i'], 'rbee-keeper completion fish | source'],
] as const;

/**
 * Goal: Tab in a real shell completes names from the queen. Method: the shell runs in a pseudo-terminal and loads the
 * script as documented. Failure shows as a screen without the completed word.
 */
describe.each(SHELLS)('in %s', (shell, args, source) => {
  const isThere = spawnSync(shell, ['-c', 'true']).status === 0;
  let folder: TempDir;
  let terminal: TestTerminal;
  beforeEach(async () => {
    folder = await tempDir();
    await mkdir(join(folder.path, 'bin'));
    const program = join(folder.path, 'bin/rbee-keeper');
    await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' --conditions=@rbee/source '${MAIN}' "$@"\n`);
    await chmod(program, 0o755);
  });
  afterEach(async () => {
    await terminal?.kill();
    await folder.remove();
  });

  it.skipIf(!isThere)('Tab completes a command, an option and the name of a hive', async () => {
    const env = { RBEE_QUEEN_URL: queen.url, HOME: folder.path, PATH: `${folder.path}/bin:${process.env.PATH ?? ''}` };
    terminal = openTerminal({ command: shell, args, env, cols: 120 });
    const shows = (text: string) => terminal.waitFor(() => terminal.screen().includes(text), text);
    terminal.write(`${source}; echo rea''dy\r`);
    await shows('\nready');
    terminal.write('rbee-keeper hi\t');
    await shows('rbee-keeper hive');
    terminal.write('lim\t');
    await shows('rbee-keeper hive limit');
    terminal.write('work\t');
    await shows('rbee-keeper hive limit workstation');
    terminal.write('--max\t');
    await shows('rbee-keeper hive limit workstation --max-bandwidth');
  });
});

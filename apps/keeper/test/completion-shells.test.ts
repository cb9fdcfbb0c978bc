import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { modelIdOf } from '@rbee/contract';
import { openTerminal, type TempDir, type TestTerminal, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeQueen, hiveNamed, startFakeQueen } from './support/fake-queen.ts';
import { MAIN } from './support/keeper.ts';

const SHELLS = [
  ['bash', ['--norc', '--noprofile', '-i'], 'source <(rbee-keeper completion bash)'],
  ['zsh', ['-f', '-i'], 'autoload -U compinit; compinit -D; source <(rbee-keeper completion zsh)'],
  ['fish', ['--no-config', '-i'], 'rbee-keeper completion fish | source'],
] as const;
const REF = 'hf:org/repo@0123::file=model.gguf';
/** A name that the contract allows, and that a shell would run. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is of the shell.
const HOSTILE_REF = 'hf:org/evil@0123::file=a$(touch${IFS}PWNED)`touch${IFS}PWNED`;b&.gguf';

/**
 * Goal: Tab in a real shell completes names from the queen, and runs none. Method: the shell runs in a pseudo-terminal and
 * loads the script as documented. Failure shows as a screen without the completed word, or as a file that was created.
 */
describe.each(SHELLS)('in %s', (shell, args, source) => {
  // With CI set, a missing shell is a failure.
  const isThere = process.env['CI'] !== undefined || spawnSync(shell, ['-c', 'true']).status === 0;
  let queen: FakeQueen;
  let folder: TempDir;
  let terminal: TestTerminal;
  beforeEach(async () => {
    queen = await startFakeQueen();
    queen.hives.push(hiveNamed('workstation'));
    const model = { hive_id: 'gpu-1', bytes: 1, files: 1, path: '/x', modified_at: '2026-01-02T03:04:05.000Z' };
    queen.stores.models = [REF, HOSTILE_REF].map((ref) => ({ ...model, model_id: modelIdOf(ref), model_ref: ref }));
    folder = await tempDir();
    await mkdir(join(folder.path, 'bin'));
    const program = join(folder.path, 'bin/rbee-keeper');
    await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' --conditions=@rbee/source '${MAIN}' "$@"\n`);
    await chmod(program, 0o755);
  });
  afterEach(async () => {
    await terminal?.kill();
    await queen.close();
    await folder.remove();
  });

  const shows = (text: string) => terminal.waitFor(() => terminal.screen().includes(text), text);

  async function open(
    env: Readonly<Record<string, string>> = { RBEE_QUEEN_URL: queen.url },
    before = '',
  ): Promise<void> {
    terminal = openTerminal({
      command: shell,
      args,
      env: { ...env, HOME: folder.path, PATH: `${folder.path}/bin:${process.env['PATH'] ?? ''}` },
      cwd: folder.path,
      cols: 160,
    });
    terminal.write(`${source}; ${before}echo rea''dy\r`);
    await shows('\nready');
  }

  it.skipIf(!isThere)('Tab completes a command, an option and the name of a hive', async () => {
    await open();
    terminal.write('rbee-keeper hi\t');
    await shows('rbee-keeper hive');
    terminal.write('lim\t');
    await shows('rbee-keeper hive limit');
    terminal.write('work\t');
    await shows('rbee-keeper hive limit workstation');
    terminal.write('--max\t');
    await shows('rbee-keeper hive limit workstation --max-bandwidth');
  });

  it.skipIf(!isThere)('[K10] Tab completes a ref, which has colons', async () => {
    await open();
    terminal.write('rbee-keeper model get hf:org/re\t');
    await shows(`rbee-keeper model get ${REF.slice(0, 20)}`);
    await shows('model.gguf');
    expect(terminal.screen()).not.toContain('hf:hf:');
  });

  it.skipIf(!isThere)('[K10] Tab completes behind --queen with a URL', async () => {
    await open({});
    terminal.write(`rbee-keeper --queen ${queen.url} hive limit work\t`);
    await shows('hive limit workstation');
  });

  it.skipIf(!isThere)('[K10] Tab completes the value of an option behind an equals sign', async () => {
    await open();
    terminal.write('rbee-keeper pull org/repo --hive=work\t');
    await shows('--hive=workstation');
  });

  it.skipIf(!isThere)('[K10] Tab and Enter on a hostile file name run nothing and name that model', async () => {
    await open();
    terminal.write('rbee-keeper model get hf:org/ev\t');
    await shows('.gguf');
    terminal.write('\r');
    const { body } = await queen.waitForRequest('POST', /jobs/);
    expect(body['id']).toBe(modelIdOf(HOSTILE_REF));
    expect(existsSync(join(folder.path, 'PWNED'))).toBe(false);
  });

  it.skipIf(!isThere)('[K10] Tab and Enter on a hostile queen run nothing', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is of the shell.
    const odd = hiveNamed('x$(touch${IFS}PWNED)');
    queen.refuses = ({ path }) => (path === '/v1/hives' ? { status: 200, body: { hives: [odd] } } : null);
    await open();
    terminal.write('rbee-keeper hive limit x\t');
    await queen.waitForRequest('GET', /hives/);
    terminal.write('\r');
    await shows('error:');
    expect(existsSync(join(folder.path, 'PWNED'))).toBe(false);
  });

  it.skipIf(!isThere || shell !== 'bash')('[K10] the same holds where bash does not split at colons', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is of the shell.
    await open({ RBEE_QUEEN_URL: queen.url }, 'COMP_WORDBREAKS=${COMP_WORDBREAKS//:}; ');
    terminal.write('rbee-keeper model get hf:org/ev\t');
    await shows('.gguf');
    terminal.write('\r');
    const { body } = await queen.waitForRequest('POST', /jobs/);
    expect(body['id']).toBe(modelIdOf(HOSTILE_REF));
    expect(existsSync(join(folder.path, 'PWNED'))).toBe(false);
  });
});

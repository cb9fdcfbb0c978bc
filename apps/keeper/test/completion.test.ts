import { EXIT_CODES, modelIdOf } from '@rbee/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeQueen, hiveNamed, startFakeQueen } from './support/fake-queen.ts';
import { runKeeper } from './support/keeper.ts';

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
    ['options', ['model', 'download', 'org/repo', '--in'], ['--input', '--include']],
    ['options of every command', ['hive', 'list', '--js'], ['--json']],
    ['values of an option', ['download', 'list', '--status', 'q'], ['queued']],
    ['values of an option that is one word with it', ['download', 'list', '--status=pau'], ['--status=paused']],
    ['shells', ['completion', ''], ['bash', 'zsh', 'fish', 'install']],
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

  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is of the shell.
  it.each(['x\ny\t\u001b[2J', 'x$(touch${IFS}PWNED)', 'x;y', '-x', 'x y', '`x`', 'x\u202ey', ''])(
    '[K10] no name of a hive that is not one: %j',
    async (name) => {
      const odd = { ...hiveNamed('x'), hive_id: name };
      queen.refuses = () => ({ status: 200, body: { hives: [odd, hiveNamed('x-1')] } });
      expect(await candidates('hive', 'limit', '')).toEqual(['x-1']);
    },
  );

  it.each(['job', 'download'])('[K10] no id of a %s that is not one', async (kind) => {
    queen.addJob('hf:org/repo');
    const [job] = queen.jobs;
    const bodies = {
      job: { jobs: [{ ...job?.snapshot, job_id: 'job-$(touch PWNED)' }] },
      download: { downloads: [{ ...job?.downloads[0]?.snapshot, download_id: 'dl-$(touch PWNED)' }] },
    };
    queen.refuses = () => ({ status: 200, body: bodies[kind as keyof typeof bodies] });
    expect(await candidates(kind, 'cancel', '')).toEqual([]);
  });

  it.each(['m-$(touch x)', 'hf:org/re\u001b]0;x', 'hf:org/a::file=../x', 'nonsense'])(
    '[K10] no name of a model that is not one: %j',
    async (ref) => {
      const model = { hive_id: 'gpu-1', bytes: 1, files: 1, path: '/x', modified_at: '2026-01-02T03:04:05.000Z' };
      queen.stores.models = [{ ...model, model_id: ref as never, model_ref: ref }];
      expect(await candidates('model', 'get', '')).toEqual([]);
      expect(await candidates('model', 'get', 'hf:')).toEqual([]);
    },
  );
});

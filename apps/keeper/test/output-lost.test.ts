import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EXIT_CODES } from '@rbee/contract';
import { type Program, startProgram } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeQueen, startFakeQueen } from './support/fake-queen.ts';
import { MAIN, startKeeper } from './support/keeper.ts';

const REF = 'hf:org/repo::file=x.gguf';
const NO_SPACE = 'error: cannot write: no space left on device\n';

let queen: FakeQueen;
beforeEach(async () => {
  queen = await startFakeQueen();
});
afterEach(() => queen.close());

const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(' ');

/** Runs `keeper WORDS` in a line of bash, where `keeper` stands for the program; prints its exit codes last. */
function inShell(line: string): Promise<Program> {
  const keeper = quoted([process.execPath, '--conditions=@rbee/source', MAIN]);
  const script = `set -o pipefail; keeper() { ${keeper} "$@"; }; ${line}`;
  return startProgram({ command: 'bash', args: ['-c', script], env: { RBEE_QUEEN_URL: queen.url } });
}

describe.skipIf(!existsSync('/dev/full'))('a result that cannot be written', () => {
  it.each(['model list', 'model list --json', '--help', 'completion bash', 'hive list'])(
    '[K4] is an error with exit code 1: %s',
    async (words) => {
      const program = await inShell(`keeper ${words} > /dev/full`);
      expect(await program.exited).toMatchObject({ code: EXIT_CODES.failed });
      expect(program.stderr()).toBe(NO_SPACE);
    },
  );

  it('[K4] makes a download that is complete a failure', async () => {
    queen.onCancel = (job) => ({ job_id: job.snapshot.job_id, status: 'completed', downloads: [] });
    queen.onJob = (job) => {
      job.downloads[0]?.complete('/models/x.gguf');
      job.end({ state: 'completed' });
    };
    const program = await inShell(`keeper pull ${REF} > /dev/full`);
    expect(await program.exited).toMatchObject({ code: EXIT_CODES.failed });
    expect(program.stderr()).toContain(NO_SPACE);
  });

  it('[K4] cancels the download of a command that can no longer report it', async () => {
    const program = await inShell(`keeper pull ${REF} --json > /dev/full`);
    expect(await program.exited).toMatchObject({ code: EXIT_CODES.failed });
    expect(program.stderr().match(/cannot write/g)).toHaveLength(1);
    await queen.waitForRequest('DELETE', /jobs/);
  });

  it('[K4] does not matter for stderr', async () => {
    const program = await inShell('keeper model list 2> /dev/full');
    expect(await program.exited).toMatchObject({ code: EXIT_CODES.done });
    expect(program.stdout()).toContain('no models yet');
  });
});

describe('a reader that leaves', () => {
  it.each(['job list', 'job list --json', '--help', 'completion bash'])(
    '[K4] ends a list quietly with 0: %s | head',
    async (words) => {
      for (let count = 0; count < 1_500; count += 1) queen.addJob(`hf:org/repo-${count}`);
      const program = await inShell(`keeper ${words} | head -1; echo "codes \${PIPESTATUS[*]}"`);
      await program.exited;
      expect(program.stdout()).toMatch(/\ncodes 0 0\n$/);
      expect(program.stderr()).toBe('');
    },
  );

  it.each(['job watch', 'download watch --json'])('[K4] ends %s with 0 and cancels nothing', async (words) => {
    const { job, download } = queen.addJob(REF);
    const talking = setInterval(() => {
      job.narrate('any', 'still here');
      download.progress({ status: 'downloading', bytes: download.snapshot.bytes + 1 });
    }, 20);
    const id = words === 'job watch' ? job.id : '';
    const program = await inShell(`keeper ${words} ${id} | head -1; echo "codes \${PIPESTATUS[*]}"`);
    await program.exited.finally(() => clearInterval(talking));
    expect(program.stdout()).toMatch(/codes 0 0\n$/);
    expect(queen.requests.some(({ method }) => method === 'DELETE')).toBe(false);
  });

  it('[K4] cancels the download of the command like Ctrl+C', async () => {
    queen.onJob = ({ downloads: [download] }) => {
      const talking = setInterval(() => {
        if (download?.snapshot.status === 'cancelled') clearInterval(talking);
        else download?.progress({ status: 'downloading', bytes: download.snapshot.bytes + 1 });
      }, 20);
    };
    const program = await inShell(`keeper pull ${REF} --json | head -1; echo "codes \${PIPESTATUS[*]}"`);
    await program.exited;
    expect(program.stdout()).toMatch(/codes 130 0\n$/);
    await queen.waitForRequest('DELETE', /jobs/);
  });
});

describe('closed streams', () => {
  it.each(['<&-', '2>&-', '<&- 2>&-'])('[K4] do not stop a command: %s', async (closed) => {
    const program = await inShell(`keeper model list ${closed}`);
    expect(await program.exited).toMatchObject({ code: EXIT_CODES.done });
    expect(program.stdout()).toContain('no models yet');
  });

  it('[K4] do not stop a command: >&-', async () => {
    const program = await inShell('keeper model list >&-');
    expect(await program.exited).toMatchObject({ code: EXIT_CODES.done });
    expect(program.stderr()).toBe('');
  });
});

describe('SIGHUP', () => {
  async function startDownload(program: Program) {
    const { job, download } = await queen.waitForJob(0);
    download.progress({ status: 'downloading', bytes: 412_500_000, total: 637_800_000 });
    await program.waitFor(() => /downloading/.test(program.stderr()), 'the first bytes');
    return { job, download };
  }

  it('[K4] cancels like Ctrl+C', async () => {
    const keeper = await startKeeper(['pull', REF], { queen });
    const { job } = await startDownload(keeper);
    expect(await keeper.stop('SIGHUP')).toBe(EXIT_CODES.interrupted);
    expect((await queen.waitForRequest('DELETE', /./)).path).toBe(`/v1/jobs/${job.id}`);
    expect(keeper.stderr()).toContain('x.gguf: cancelled, 412.5 MB kept');
  });

  it('[K4] is ignored where it was ignored, as nohup has it', async () => {
    const bin = fileURLToPath(new URL('../bin/rbee-keeper.js', import.meta.url));
    const env = {
      RBEE_QUEEN_URL: queen.url,
      PATH: `${process.execPath.replace(/\/[^/]*$/, '')}:${process.env.PATH ?? ''}`,
    };
    const keeper = await startProgram({ command: 'nohup', args: [bin, 'pull', REF], env });
    const { job, download } = await startDownload(keeper);
    process.kill(keeper.pid, 'SIGHUP');
    download.progress({ status: 'verifying' });
    await keeper.waitFor(() => keeper.stderr().includes('verifying'), 'the next status');
    expect(queen.requests.some(({ method }) => method === 'DELETE')).toBe(false);
    download.complete('/models/x.gguf');
    job.end({ state: 'completed' });
    expect(await keeper.exited).toMatchObject({ code: EXIT_CODES.done });
    expect(keeper.stdout()).toBe('/models/x.gguf\n');
  });
});

describe('Ctrl+C of a command on a download that another job wants', () => {
  it('[K4] leaves without waiting for its end, and says that it continues', async () => {
    const keeper = await startKeeper(['pull', REF], { queen });
    const { job, download } = await queen.waitForJob(0);
    download.progress({ status: 'downloading', bytes: 1_000, total: 637_800_000 });
    await keeper.waitFor(() => /downloading/.test(keeper.stderr()), 'the first bytes');
    queen.onCancel = () => ({ job_id: job.snapshot.job_id, status: 'cancelled', downloads: [] });
    expect(await keeper.stop('SIGINT')).toBe(EXIT_CODES.interrupted);
    expect(keeper.stderr()).toContain('x.gguf: another job still wants it; it continues\n');
    expect(download.snapshot.status).toBe('downloading');
  });

  it('[K4] says so with --json in the receipt', async () => {
    const keeper = await startKeeper(['pull', REF, '--json'], { queen });
    const { job, download } = await queen.waitForJob(0);
    await keeper.waitForLine(({ json }) => json?.event === 'progress', 'the first progress');
    queen.onCancel = () => ({ job_id: job.snapshot.job_id, status: 'cancelled', downloads: [] });
    expect(await keeper.stop('SIGINT')).toBe(EXIT_CODES.interrupted);
    expect(keeper.lines.find(({ json }) => json?.event === 'receipt')?.json?.continuing).toEqual([download.id]);
  });
});

import { EXIT_CODES } from '@rbee/contract';
import type { TestTerminal } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { textWidth } from '../src/render/text.ts';
import { type FakeQueen, hiveNamed, startFakeQueen } from './support/fake-queen.ts';
import { type KeeperTerminalOptions, openKeeper } from './support/keeper.ts';

const REF = 'hf:org/repo::file=DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf';
const CTRL_C = '\u0003';

let queen: FakeQueen;
let terminal: TestTerminal;
beforeEach(async () => {
  queen = await startFakeQueen();
});
afterEach(async () => {
  await terminal.kill();
  await queen.close();
});

function open(words: readonly string[], options: KeeperTerminalOptions = {}): TestTerminal {
  terminal = openKeeper(words, { queen, ...options });
  return terminal;
}

const shows = (text: string | RegExp) =>
  terminal.waitFor(
    () => (typeof text === 'string' ? terminal.screen().includes(text) : text.test(terminal.screen())),
    `${text}`,
  );

const status = 'downloading' as const;
const flowing = (bytes: number, total = 637_800_000) =>
  ({ status: 'downloading', bytes, total, speed_bps: 28_100_000, eta_secs: 8 }) as const;

describe.each([60, 200])('bars in a terminal of %i columns', (cols) => {
  it('update in place, and end with the last state and the path', async () => {
    open(['pull', REF], { cols });
    const { job, download } = await queen.waitForJob(0);
    await shows('queued');
    download.progress(flowing(63_780_000));
    await shows('10.0%');
    download.progress(flowing(412_500_000));
    await shows(/64\.6% +412\.5 MB\/637\.8 MB +28\.1 MB\/s +8s/);
    expect(terminal.screen().split('\n')).toHaveLength(1);
    download.progress({ status: 'verifying', bytes: 637_800_000, speed_bps: 0, eta_secs: null });
    await shows(/100\.0% .* verifying/);
    download.complete('/models/x.gguf');
    job.end({ state: 'completed' });
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
    const lines = terminal.history().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^DeepSee\S* .*100\.0% +637\.8 MB\/637\.8 MB done$/);
    expect(lines[1]).toBe('/models/x.gguf');
  });

  it('have a line for each active file below the download, also with wide names', async () => {
    open(['pull', 'hf:org/repo'], { cols });
    const { job, download } = await queen.waitForJob(0);
    const files = [
      { name: 'text_encoder/model-00001-of-00002.safetensors', bytes: 90_000_000, total: 100_000_000, status },
      { name: '模型/第二.safetensors', bytes: 10_000_000, total: 100_000_000, status: 'verifying' },
    ] as const;
    download.progress({
      ...flowing(100_000_000, 200_000_000),
      files_total: 3,
      files_done: 1,
      file: 'x',
      files: [files[0]],
    });
    await shows(/^repo \(1\/3\) .*50\.0% .* 28\.1 MB\/s +8s$/m);
    await shows(/^ {2}text.* 90\.0% +90\.0 MB\/100\.0 MB +28\.1 MB\/s +1s$/m);
    download.progress({ files: [...files] });
    await shows(/^ {2}模型\/.* 10\.0% .*verifying$/m);
    const lines = terminal.screen().split('\n');
    expect(lines.map((line) => line.slice(0, 4))).toEqual(['repo', '  te', '  模型']);
    expect(Math.max(...lines.map(textWidth))).toBeLessThan(cols);
    expect(new Set(lines.map((line) => textWidth(line.slice(0, line.indexOf('%'))))).size).toBe(1);
    download.complete('/models/snapshot');
    job.end({ state: 'completed' });
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
    const left = terminal.history().split('\n');
    expect(left).toHaveLength(2);
    expect(left[0]).toMatch(/^repo \(3\/3\) .*100\.0% .* done$/);
    expect(left[1]).toBe('/models/snapshot');
  });

  it('have a line for each hive and a total', async () => {
    queen.hives.push(hiveNamed('gpu-2'));
    open(['pull', REF, '--all-hives'], { cols });
    const { job } = await queen.waitForJob(0);
    const [first, second] = job.downloads;
    first?.progress(flowing(318_900_000));
    second?.progress(flowing(0));
    await shows(/^total \(2\) .* 25\.0% +318\.9 MB\/1\.3 GB +56\.2 MB\/s/m);
    const lines = terminal.screen().split('\n');
    expect(lines.map((line) => line.slice(0, 5))).toEqual(['gpu-1', 'gpu-2', 'total']);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(cols);
  });

  it('end on Ctrl+C: the job is cancelled, the kept bytes are shown, the terminal is restored', async () => {
    open(['pull', REF], { cols });
    const { job, download } = await queen.waitForJob(0);
    download.progress(flowing(412_500_000));
    await shows('64.6%');
    terminal.write(CTRL_C);
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.interrupted);
    expect((await queen.waitForRequest('DELETE', /./)).path).toBe(`/v1/jobs/${job.id}`);
    const words = terminal.history().replaceAll(/\s+/g, ' ');
    expect(words).toContain('cancelling; press Ctrl+C again to exit immediately');
    expect(words).toMatch(/64\.6% +412\.5 MB\/637\.8 MB cancelled/);
    expect(words).toContain('cancelled, 412.5 MB kept; run the same command again to resume');
    const raw = terminal.raw();
    expect(raw.lastIndexOf('\u001b[?25h')).toBeGreaterThan(raw.lastIndexOf('\u001b[?25l'));
    expect(raw.lastIndexOf('\u001b[?7h')).toBeGreaterThan(raw.lastIndexOf('\u001b[?7l'));
  });
});

describe('bars', () => {
  it('[H2] have the projector that comes along above them', async () => {
    open(['pull', 'org/vision'], { cols: 120 });
    const { job, download } = await queen.waitForJob(0);
    job.narrate('download_projector', '👀 mmproj-F16.gguf of org/vision comes along');
    download.progress(flowing(63_780_000));
    await shows('mmproj-F16.gguf of org/vision comes along');
    download.complete('/models/x.gguf');
    job.end({ state: 'completed' });
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
    expect(terminal.history().match(/comes along/g)).toHaveLength(1);
  });

  it('show the limit of a download if it fits', async () => {
    open(['pull', REF, '--max-bandwidth', '50MB/s'], { cols: 200 });
    const { job, download } = await queen.waitForJob(0);
    download.progress(flowing(63_780_000));
    await shows(/ 8s limited to 50\.0 MB\/s$/);
    download.complete('/models/x.gguf');
    job.end({ state: 'completed' });
    await terminal.exited;
  });

  it('count the seconds without bytes', async () => {
    open(['pull', REF], { cols: 100 });
    const { job, download } = await queen.waitForJob(0);
    download.progress({ ...flowing(63_780_000), speed_bps: 0, eta_secs: null });
    await shows('10.0%');
    download.notice({ code: 'STALL', message: 'no byte', attempt: 3, max_attempts: 6 });
    await shows(/stalled \d+s, attempt 3\/6$/);
    await shows(/stalled [1-9]\d*s, attempt 3\/6$/);
    download.complete('/models/x.gguf');
    job.end({ state: 'completed' });
    await terminal.exited;
  });

  it('show a lost connection, and continue when it is back', async () => {
    open(['pull', REF], { cols: 100 });
    const { job, download } = await queen.waitForJob(0);
    download.progress(flowing(412_500_000));
    await shows('64.6%');
    await queen.hangUp();
    await shows('connection lost, reconnecting');
    await queen.listen();
    await shows('28.1 MB/s');
    download.complete('/models/x.gguf');
    job.end({ state: 'completed' });
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
  });

  it('show a failure in words below, with what to do next', async () => {
    open(['pull', REF], { cols: 80 });
    const { job, download } = await queen.waitForJob(0);
    download.progress(flowing(1_000));
    download.fail('DISK_FULL', 'the disk is full', { hint: 'free 225.3 MB' });
    job.end({ state: 'failed', message: 'the disk is full' });
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.failed);
    expect(terminal.screen()).toMatch(/ failed\nerror: DeepSeek\S+: the disk is full \(DISK_FULL;/);
    expect(terminal.screen()).toContain('hint: free 225.3 MB');
  });

  it('are as many as fit on the screen; the rest is one line', async () => {
    const refs = Array.from({ length: 12 }, (_, index) => `hf:org/repo::file=model-${index}.gguf`);
    open(['pull', ...refs], { rows: 8 });
    await queen.waitForJob(refs.length - 1);
    for (const job of queen.jobs) job.downloads[0]?.progress(flowing(100, 1_000));
    await shows(/^8 more .* 10\.0%/m);
    await shows(/^total \(12\) .* 10\.0%/m);
    expect(terminal.screen().split('\n')).toHaveLength(6);
    for (const job of queen.jobs) {
      job.downloads[0]?.complete('/models/x.gguf');
      job.end({ state: 'completed' });
    }
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
    expect(terminal.history().match(/^total/gm)).toHaveLength(1);
  });

  it('show as many files as fit on the screen; the rest is one line', async () => {
    open(['pull', 'hf:org/repo'], { rows: 6 });
    const { job, download } = await queen.waitForJob(0);
    const files = Array.from({ length: 8 }, (_, index) => ({ name: `file-${index}`, bytes: index, total: 10, status }));
    download.progress({ ...flowing(28, 100), files_total: 9, files });
    await shows(/^ {2}file-0 .* 0\.0%/m);
    await shows(/^ {2}6 more files .* 45\.0% +27 B\/60 B$/m);
    await terminal.waitFor(() => terminal.screen().split('\n').length === 4, 'four lines');
    terminal.resize(60, 6);
    // The terminal has broken the lines that were too long; the keeper draws them again when it hears of the new width.
    await terminal.waitFor(
      () => /^repo .*\n {2}file-0 .*\n.*\n {2}6 more .*B$/.test(terminal.screen()),
      'the new width',
    );
    download.progress({ ...flowing(68, 100), files: files.slice(6) });
    await shows(/^ {2}file-7 .* 70\.0%/m);
    // A screen that is being drawn again may be read between two lines.
    const beginnings = () =>
      terminal
        .screen()
        .split('\n')
        .map((line) => line.slice(0, 8).trimEnd())
        .join('|');
    await terminal.waitFor(() => beginnings() === 'repo (0/|  file-6|  file-7', 'the two files alone');
    download.complete('/models/x');
    job.end({ state: 'completed' });
    await terminal.exited;
  });

  it('follow the terminal when it becomes narrower', async () => {
    queen.hives.push(hiveNamed('gpu-2'));
    open(['pull', REF, '--all-hives'], { cols: 150 });
    const { job } = await queen.waitForJob(0);
    for (const download of job.downloads) download.progress(flowing(63_780_000));
    await shows(/^total \(2\) .*10\.0%/m);
    terminal.resize(60, 24);
    for (const download of job.downloads) download.progress(flowing(127_560_000));
    await shows(/^total \(2\) .*20\.0%/m);
    expect(
      terminal
        .screen()
        .split('\n')
        .map((line) => line.slice(0, 5)),
    ).toEqual(['gpu-1', 'gpu-2', 'total']);
  });

  it('have no colour with NO_COLOR', async () => {
    open(['pull', REF], { env: { NO_COLOR: '1' } });
    const { job, download } = await queen.waitForJob(0);
    download.complete('/models/x.gguf');
    job.end({ state: 'completed' });
    await terminal.exited;
    // biome-ignore lint/complexity/useRegexLiterals: the escape character is easier to see in a string.
    expect(terminal.raw()).not.toMatch(new RegExp('\u001b\\[[0-9;]*m'));
    expect(terminal.screen()).toContain('done');
  });

  it('are not drawn if the terminal cannot redraw a line', async () => {
    open(['pull', REF], { term: 'dumb' });
    const { job, download } = await queen.waitForJob(0);
    download.complete('/models/x.gguf');
    job.end({ state: 'completed' });
    await terminal.exited;
    expect(terminal.raw()).not.toContain('\u001b');
    expect(terminal.screen()).toContain(': complete, ');
  });
});

describe('download watch in a terminal', () => {
  it('shows a paused download in its line and in the total, and continues when it resumes', async () => {
    const { download } = queen.addJob(REF);
    const { download: other } = queen.addJob('hf:org/repo::file=other.gguf');
    other.progress(flowing(63_780_000));
    download.progress(flowing(412_500_000));
    open(['download', 'watch', download.id, other.id], { cols: 120 });
    await shows(/^total \(2\) .* 56\.2 MB\/s +15s$/m);
    download.progress({ status: 'paused', speed_bps: 0, eta_secs: null });
    await shows(/^DeepSeek.* 64\.6% +412\.5 MB\/637\.8 MB paused$/m);
    await shows(/^total \(2\) .* 28\.1 MB\/s$/m);
    other.complete('/models/other.gguf');
    await shows(/^total \(2\) .* 82\.3% .* paused$/m);
    download.progress({ status: 'queued' });
    await shows(/^DeepSeek.* queued$/m);
    download.progress(flowing(510_240_000));
    await shows(/^DeepSeek.* 80\.0% +510\.2 MB\/637\.8 MB +28\.1 MB\/s +8s$/m);
    download.complete('/models/x.gguf');
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
    expect(terminal.history()).not.toContain('paused');
  });

  it.each([60, 200])('shows the whole fleet live in %i columns: new downloads replace ended ones', async (cols) => {
    queen.hives.push(hiveNamed('gpu-2'));
    const { download: first } = queen.addJob('hf:org/repo::file=first.gguf');
    first.progress(flowing(63_780_000));
    open(['download', 'watch'], { cols });
    await shows(/^first\.gguf .*10\.0%/m);
    const { download: second } = queen.addJob('hf:org/repo::file=模型第二.gguf');
    second.progress(flowing(127_560_000));
    await shows(/^模型第二.* 20\.0%/m);
    await shows(/^total \(2\) .* 15\.0%/m);
    first.complete('/models/first.gguf');
    await terminal.waitFor(() => !/^total/m.test(terminal.screen()), 'one bar alone');
    const lines = terminal.screen().split('\n');
    expect(lines[0]).toBe('watching all downloads; Ctrl+C exits and the downloads continue'.slice(0, cols));
    expect(lines.filter((line) => line.includes('first.gguf:'))).toEqual([
      'gpu-1 first.gguf: complete, 637.8 MB in 2s',
    ]);
    expect(lines).toContain('/models/first.gguf');
    expect(lines.filter((line) => line.startsWith('模型第二'))).toHaveLength(1);
    terminal.write(CTRL_C);
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.interrupted);
    expect(queen.requests.some(({ method }) => method === 'DELETE')).toBe(false);
  });

  it('exits on Ctrl+C and cancels nothing', async () => {
    const { download } = queen.addJob(REF);
    download.progress(flowing(412_500_000));
    open(['download', 'watch']);
    await shows('64.6%');
    terminal.write(CTRL_C);
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.interrupted);
    expect(queen.requests.some(({ method }) => method === 'DELETE')).toBe(false);
  });
});

import { describe, expect, it } from 'vitest';
import { type BarLineOptions, type BarSubject, barLine } from '../../../src/render/bars/bar-line.ts';
import { sumOf } from '../../../src/render/bars/bar-subjects.ts';
import { coloured } from '../../../src/render/style.ts';
import { textWidth } from '../../../src/render/text.ts';

const NOW = Date.parse('2026-01-02T03:04:05.000Z');

const subject = (changes: Partial<BarSubject> = {}): BarSubject => ({
  name: 'DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf',
  status: 'downloading',
  bytes: 412_500_000,
  total: 637_800_000,
  speed: 28_100_000,
  eta: 8,
  filesDone: 0,
  filesTotal: 1,
  file: null,
  limit: null,
  movedAt: NOW - 42_000,
  attempt: 1,
  notice: null,
  ...changes,
});

const draw = (changes: Partial<BarSubject>, options: Partial<BarLineOptions> = {}): string => {
  const shown = subject(changes);
  return barLine(shown, { width: 100, nameWidth: textWidth(shown.name), now: NOW, ...options });
};

const notice = (changes: Partial<NonNullable<BarSubject['notice']>>): BarSubject['notice'] => ({
  download_id: 'dl-01999c3a-4f2b-7000-8000-000000000000' as NonNullable<BarSubject['notice']>['download_id'],
  code: 'STALL',
  message: 'no byte for 60 s',
  ...changes,
});

describe('a bar line', () => {
  it('has every field at 200 columns', () => {
    expect(draw({}, { width: 200 })).toBe(
      `DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf ${'█'.repeat(25)}${'░'.repeat(15)}  64.6%   412.5 MB/637.8 MB  28.1 MB/s     8s`,
    );
  });

  it('shows the limit and the current file at 200 columns', () => {
    const many = { limit: 50_000_000, filesTotal: 5, file: 'model-00002-of-00005.safetensors' };
    const line = draw(many, { width: 200 });
    expect(line).toMatch(/ 8s limited to 50\.0 MB\/s, model-00002-of-00005\.safetensors$/);
    expect(draw({ ...many, file: 'a/'.repeat(60) }, { width: 200 })).toMatch(/8s limited to 50\.0 MB\/s, a\/.*…/);
    expect(draw(many, { width: 60 })).toMatch(/8s$/);
  });

  it('shortens the name and leaves out the bar at 60 columns', () => {
    expect(draw({}, { width: 60 })).toBe('DeepSee…_M.gguf  64.6%   412.5 MB/637.8 MB  28.1 MB/s     8s');
  });

  it.each([0, 1, 5, 12, 20, 30, 40, 59, 60, 79, 99, 199, 400])('is never wider than %i columns', (width) => {
    const states: Partial<BarSubject>[] = [
      {},
      { name: '深度求索模型深度求索模型深度求索模型.gguf' },
      { bytes: 999_900_000_000, total: 999_900_000_000_000, speed: 999_900_000_000, eta: 900_000 },
      { total: null, eta: null },
      { status: 'verifying' },
      { status: 'failed' },
      { speed: 0, attempt: 4 },
      { notice: notice({ code: 'RETRY', attempt: 3, max_attempts: 6, next_retry_at: '2026-01-02T03:04:17.000Z' }) },
    ];
    for (const state of states) {
      for (const connectionLost of [false, true]) {
        expect(textWidth(draw(state, { width, connectionLost }))).toBeLessThanOrEqual(width);
      }
    }
  });

  it('drops the time left, then the bytes, then the speed as it becomes narrower', () => {
    expect(draw({}, { width: 56 })).toMatch(/64\.6% +412\.5 MB\/637\.8 MB +28\.1 MB\/s$/);
    expect(draw({}, { width: 40 })).toMatch(/^\S+ +64\.6% +28\.1 MB\/s$/);
    expect(draw({}, { width: 22 })).toMatch(/^\S+ +64\.6%$/);
    expect(draw({}, { width: 12 })).toMatch(/^\S+$/);
  });

  it('aligns with lines of shorter names or with a state in words', () => {
    const options = { width: 120, nameWidth: 39 };
    const columnOf = (line: string) => textWidth(line.slice(0, line.indexOf('%')));
    const subjects: Partial<BarSubject>[] = [
      {},
      { name: 'x.gguf' },
      { status: 'verifying' },
      { name: '深度.gguf' },
      { eta: null },
    ];
    expect(new Set(subjects.map((changes) => columnOf(draw(changes, options)))).size).toBe(1);
  });

  it('shows the bytes if the total is unknown', () => {
    const line = draw({ total: null, eta: null });
    expect(line).toContain('412.5 MB');
    expect(line).not.toMatch(/%|null|NaN|MB\/[^s]/);
  });

  it('does not show 100 % before every byte is there', () => {
    expect(draw({ bytes: 637_799_999 })).toContain(' 99.9%');
    expect(draw({ bytes: 637_800_000 })).toContain('100.0%');
  });

  it('copes with an empty file', () => {
    expect(draw({ bytes: 0, total: 0, status: 'complete', speed: 0, eta: null })).toContain('100.0%');
  });

  it.each([
    ['waiting', { status: 'waiting' }],
    ['queued', { status: 'queued' }],
    ['starting', { status: 'starting' }],
    ['verifying', { status: 'verifying' }],
    ['paused', { status: 'paused' }],
    ['done', { status: 'complete' }],
    ['failed', { status: 'failed' }],
    ['cancelled', { status: 'cancelled' }],
    ['stalled 42s', { notice: notice({}) }],
    ['stalled 42s, attempt 3/6', { notice: notice({ attempt: 3, max_attempts: 6 }) }],
    ['paused', { status: 'paused', notice: notice({ code: 'RETRY', attempt: 3 }) }],
    ['hive unreachable', { status: 'paused', notice: notice({ code: 'HIVE_LOST' }) }],
    ['hive unreachable', { notice: notice({ code: 'HIVE_LOST' }) }],
    ['restarting', { notice: notice({ code: 'RESTART' }) }],
    ['attempt 2', { speed: 0, attempt: 2 }],
  ] as const)('says "%s" in place of a speed', (said, changes) => {
    expect(draw(changes)).toMatch(new RegExp(` ${said.replace('/', '\\/')}$`));
  });

  it('counts down to the next retry by the given clock', () => {
    const retry = notice({ code: 'RETRY', attempt: 3, max_attempts: 6, next_retry_at: '2026-01-02T03:04:17.000Z' });
    expect(draw({ notice: retry })).toMatch(/ attempt 3\/6 in 12s$/);
    expect(draw({ notice: retry }, { now: NOW + 11_500 })).toMatch(/ attempt 3\/6 in 1s$/);
    expect(draw({ notice: retry }, { now: NOW + 12_000 })).toMatch(/ attempt 3\/6$/);
  });

  it('replaces the bytes with a long state at 60 columns', () => {
    const line = draw({}, { width: 60, connectionLost: true });
    expect(line).toMatch(/ 64\.6% connection lost, reconnecting$/);
  });

  it('colours bar and state without changing the layout', () => {
    const painted = draw({ status: 'failed' }, { paint: coloured });
    expect(painted).toContain('\u001b[31m');
    // biome-ignore lint/complexity/useRegexLiterals: the escape character is easier to see in a string.
    expect(painted.replaceAll(new RegExp('\u001b\\[\\d+m', 'g'), '')).toBe(draw({ status: 'failed' }));
  });
});

describe('the sum of several', () => {
  const view = (changes: Partial<BarSubject>) => ({
    ...subject(changes),
    ...{ id: 'dl-1', ref: null, hive: null, files: [] },
  });

  it('adds bytes, totals and speeds and estimates the time left', () => {
    const sum = sumOf('total (2)', [
      view({ bytes: 100, total: 300, speed: 10 }),
      view({ bytes: 50, total: 100, speed: 15 }),
    ]);
    expect(sum).toMatchObject({ name: 'total (2)', bytes: 150, total: 400, speed: 25, eta: 10, status: 'downloading' });
  });

  it('has no total if one of them has none', () => {
    expect(sumOf('total', [view({}), view({ total: null })])).toMatchObject({ total: null, eta: null });
  });

  it('[I5] has a total although one has failed before its own was known', () => {
    const failed = view({ status: 'failed', bytes: 30, total: null, speed: 0, eta: null });
    expect(sumOf('total', [view({ bytes: 100, total: 300, speed: 10 }), failed])).toMatchObject({
      ...{ bytes: 130, total: 330, eta: 20 },
    });
  });

  it('has no time left if one of them is paused', () => {
    expect(sumOf('total', [view({}), view({ status: 'paused', speed: 0 })])).toMatchObject({
      status: 'downloading',
      eta: null,
    });
  });

  it('is done when all are, and failed when one is and none runs', () => {
    const done = view({ status: 'complete' });
    expect(sumOf('total', [done, done]).status).toBe('complete');
    expect(sumOf('total', [done, view({ status: 'failed' })]).status).toBe('failed');
    expect(sumOf('total', [view({ status: 'failed' }), view({ status: 'queued' })]).status).toBe('queued');
  });
});

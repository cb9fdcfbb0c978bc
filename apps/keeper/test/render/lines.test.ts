import { type Download, newDownloadId, newJobId, type Progress } from '@rbee/contract';
import { beforeEach, describe, expect, it } from 'vitest';
import { createLinesRenderer } from '../../src/render/lines.ts';
import type { Display, Renderer } from '../../src/render/renderer.ts';
import { plain } from '../../src/render/style.ts';

// Goal: without a terminal a person sees that bytes flow, and which download a line is about. Method: events of downloads, as their
// hives send them every 250 ms.

let lines: string[];
let renderer: Renderer;

function open(display: Display = 'download'): void {
  lines = [];
  const stderr = { write: (text: string) => void lines.push(...text.split('\n').filter((line) => line !== '')) };
  renderer = createLinesRenderer({ stdout: { write: () => {} }, stderr, paint: plain, display, isQuiet: false });
}
beforeEach(() => open());

function startedDownload(model: string, hive: string) {
  const download_id = newDownloadId();
  const base: Progress = {
    ...{ download_id, job_id: newJobId(), hive_id: hive, model_ref: model, status: 'downloading' },
    ...{ bytes: 0, total: 1_000_000, percent: 0, speed_bps: 0, eta_secs: null, elapsed_secs: 0, files_done: 0 },
    ...{ files_total: 1, file: null, attempt: 1, connections: 1, bytes_reused: 0, bytes_wasted: 0 },
  };
  return {
    id: download_id,
    accept: () => renderer.event({ event: 'accepted', model, data: { job_id: base.job_id, sse_url: '', download_id } }),
    progress: (more: Partial<Download>) => renderer.event({ event: 'progress', data: { ...base, ...more } }),
    complete: (bytes = 1_000_000) =>
      renderer.event({
        event: 'complete',
        data: { download_id, bytes, total: bytes, duration_secs: 42, path: '/m', sha256: null },
      }),
  };
}

/** Bytes that flow evenly, with an event every 250 ms; returns the lines of progress. */
function flow(seconds: number, total: number | null = 1_000_000): string[] {
  const download = startedDownload('hf:org/a::file=a.gguf', 'gpu-1');
  const events = seconds * 4;
  for (let event = 0; event <= events; event += 1) {
    const bytes = Math.round((event / events) * 1_000_000);
    download.progress({ bytes, total, elapsed_secs: event / 4, speed_bps: 100 });
  }
  return lines.filter((line) => line.startsWith('a.gguf: downloading'));
}

describe('plain lines of a download', () => {
  it('[I6] have the percent, bytes, speed and time left', () => {
    const download = startedDownload('hf:org/a::file=a.gguf', 'gpu-1');
    download.progress({ bytes: 647_000, speed_bps: 28_100, eta_secs: 13 });
    expect(lines).toEqual(['a.gguf: downloading, 647.0 kB of 1.0 MB (64.7%), 28.1 kB/s, 13s left']);
  });

  it('[I6] come each second while bytes flow', () => {
    const { length } = flow(40);
    expect(length).toBeGreaterThanOrEqual(38);
    expect(length).toBeLessThanOrEqual(42);
  });

  it('[I6] come at most once per 5 % of a short download', () => {
    const shown = flow(2);
    expect(shown.length).toBeGreaterThanOrEqual(7);
    const percents = shown.map((line) => Number(/\(([\d.]+)%\)/.exec(line)?.[1]));
    for (const [index, percent] of percents.slice(1).entries())
      expect(percent - (percents[index] ?? 0)).toBeGreaterThanOrEqual(5);
    lines = [];
    expect(flow(20).length).toBeLessThanOrEqual(21);
  });

  it('[I6] come less often in a download that runs for hours', () => {
    const { length } = flow(3_600);
    expect(length).toBeGreaterThan(300);
    expect(length).toBeLessThan(700);
  });

  it('[I6] come each second also where the size is not known', () => {
    const shown = flow(10, null);
    expect(shown.length).toBeGreaterThanOrEqual(9);
    expect(shown.length).toBeLessThanOrEqual(12);
    expect(shown.at(-1)).toBe('a.gguf: downloading, 1.0 MB, 100 B/s');
  });

  it('[I6] do not come while no byte does', () => {
    const download = startedDownload('hf:org/a::file=a.gguf', 'gpu-1');
    for (let second = 0; second < 60; second += 1) download.progress({ bytes: 10, elapsed_secs: second });
    expect(lines).toHaveLength(1);
  });
});

describe('the names in plain lines', () => {
  it('[I5] tell two quantisations of one repo apart, also at their ends', () => {
    const [one, two] = ['Q4_K_M', 'Q8_0'].map((quant) => startedDownload(`hf:org/Qwen3-GGUF:${quant}`, 'gpu-1'));
    one?.progress({ bytes: 1 });
    two?.progress({ bytes: 1 });
    one?.complete();
    two?.complete();
    expect(lines.filter((line) => line.includes('complete'))).toEqual([
      'Qwen3-GGUF:Q4_K_M: complete, 1.0 MB in 42s',
      'Qwen3-GGUF:Q8_0: complete, 1.0 MB in 42s',
    ]);
  });

  it('[I5] tell the same quantisation of two publishers apart', () => {
    const [one, two] = ['a', 'b'].map((org) => startedDownload(`hf:${org}/Qwen3-GGUF:Q8_0`, 'gpu-1'));
    one?.progress({ bytes: 1 });
    two?.progress({ bytes: 1 });
    one?.complete();
    expect(lines.at(-1)).toBe('a/Qwen3-GGUF:Q8_0: complete, 1.0 MB in 42s');
  });

  it('[I5] have the hive of the first download too, before the second one says where it runs', () => {
    const [one, two] = ['a', 'b'].map((name) => startedDownload(`hf:org/${name}::file=${name}.gguf`, `hive-${name}`));
    one?.accept();
    two?.accept();
    one?.progress({ bytes: 1 });
    one?.complete();
    two?.progress({ bytes: 1 });
    two?.complete();
    expect(lines.filter((line) => line.includes('complete'))).toEqual([
      'hive-a a.gguf: complete, 1.0 MB in 42s',
      'hive-b b.gguf: complete, 1.0 MB in 42s',
    ]);
  });

  it('[I5] have the hive of every download where the whole fleet is watched', () => {
    open('fleet');
    const download = startedDownload('hf:org/a::file=a.gguf', 'gpu-1');
    download.progress({ bytes: 1 });
    download.complete();
    expect(lines.at(-1)).toBe('gpu-1 a.gguf: complete, 1.0 MB in 42s');
  });

  it('[I5] have no hive where there is one download', () => {
    const download = startedDownload('hf:org/a::file=a.gguf', 'gpu-1');
    download.accept();
    download.progress({ bytes: 1 });
    download.complete();
    expect(lines.at(-1)).toBe('a.gguf: complete, 1.0 MB in 42s');
  });
});

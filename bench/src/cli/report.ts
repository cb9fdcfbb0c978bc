import { median, medianRatio } from '../stats.ts';
import { markdownTable } from '../table.ts';

/** One command and how long each of its runs took, in the order of the rounds. */
export interface CliSamples {
  readonly name: string;
  /** At most so many times the bare Node.js; null for that itself. */
  readonly maxRatio: number | null;
  readonly runMs: readonly number[];
}

export interface CliRow {
  readonly name: string;
  readonly medianMs: number;
  readonly ratio: number;
  readonly maxRatio: number | null;
  readonly isMet: boolean;
}

/** The ratio of each command to the first, within each round and then the median. */
export function cliRows(samples: readonly CliSamples[]): CliRow[] {
  const bare = samples[0]?.runMs ?? [];
  return samples.map(({ name, maxRatio, runMs }) => {
    const ratio = medianRatio(runMs, bare);
    return { name, medianMs: median(runMs), ratio, maxRatio, isMet: maxRatio === null || ratio <= maxRatio };
  });
}

export function cliReport(rows: readonly CliRow[]): string {
  return markdownTable(
    [
      { title: 'command', align: 'left' },
      { title: 'median', align: 'right' },
      { title: 'x bare Node.js', align: 'right' },
      { title: 'target', align: 'right' },
      { title: '', align: 'left' },
    ],
    rows.map(({ name, medianMs, ratio, maxRatio, isMet }) => [
      name,
      `${medianMs.toFixed(1)} ms`,
      ratio.toFixed(2),
      maxRatio === null ? '' : `≤ ${maxRatio.toFixed(1)}`,
      maxRatio === null ? '' : isMet ? 'met' : 'missed',
    ]),
  );
}

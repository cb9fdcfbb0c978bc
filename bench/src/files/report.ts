import { describeMachine } from '../environment.ts';
import { median, medianRatio } from '../stats.ts';
import { type Column, markdownTable } from '../table.ts';
import { atLeast, failuresOf, type Verdict, verdictTable } from '../verdict.ts';
import { type ContenderName, contenderNames, contenders } from './contenders.ts';
import type { FilesResult, Samples } from './results.ts';

const columns: readonly Column[] = [
  { title: 'client', align: 'left' },
  { title: 'median s', align: 'right' },
  { title: 'MB/s', align: 'right' },
  { title: 'rbee is x times as fast', align: 'right' },
];
const targets = { snapshot: 1, 'eight-at-once': 0.9, 'one-by-one': 2 } as const;
const msPerSecond = 1_000;
const bytesPerMb = 1e6;
const bytesPerMib = 1024 ** 2;

/** The result as Markdown. */
export function filesReport({ environment, rounds, files, bytes, samples }: FilesResult): string {
  const row = (name: ContenderName): string[] => {
    const seconds = median(samples[name]) / msPerSecond;
    const ratio = name === 'rbee' ? '' : timesAsFast(samples, name).toFixed(2);
    return [contenders[name].title, seconds.toFixed(2), (bytes / bytesPerMb / seconds).toFixed(0), ratio];
  };
  return [
    `${files} files, ${(bytes / bytesPerMib).toFixed(0)} MiB, medians of ${rounds} alternating rounds after a discarded one.`,
    describeMachine(environment),
    markdownTable(columns, contenderNames.map(row)),
    verdictTable(verdictsOf(samples)),
  ].join('\n\n');
}

/** What speaks against the result, a line each; none is a pass. */
export const filesFailures = (samples: Samples): string[] => failuresOf('files', [], verdictsOf(samples));

function verdictsOf(samples: Samples): Verdict[] {
  return [
    atLeast('speed over snapshotDownload', targets.snapshot, timesAsFast(samples, 'snapshot')),
    atLeast('speed over downloads of 8 at once', targets['eight-at-once'], timesAsFast(samples, 'eight-at-once')),
    atLeast('speed over one connection', targets['one-by-one'], timesAsFast(samples, 'one-by-one')),
  ];
}

/** The time of the other by that of rbee. */
const timesAsFast = (samples: Samples, other: ContenderName): number => medianRatio(samples[other], samples.rbee);

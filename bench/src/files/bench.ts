import { defineBench } from '../define-bench.ts';
import { rounds } from '../options.ts';
import { median, medianRatio } from '../stats.ts';
import { type Column, markdownTable } from '../table.ts';
import { atLeast, failuresOf, type Verdict, verdictTable } from '../verdict.ts';
import { type ContenderName, contenderNames, contenders } from './contenders.ts';
import { startFarHub } from './far-hub.ts';
import { bytesOf, model } from './model.ts';
import { runRounds, type Samples } from './run-rounds.ts';

/** As in scenario `rtt` of the bench of downloads. */
const line = { delayMs: 20, bytesPerSecond: 60e6 } as const;
const targets = { snapshot: 1, 'eight-at-once': 0.9, 'one-by-one': 2 } as const;
const columns: readonly Column[] = [
  { title: 'client', align: 'left' },
  { title: 'median s', align: 'right' },
  { title: 'MB/s', align: 'right' },
  { title: 'rbee is x times as fast', align: 'right' },
];
const msPerSecond = 1_000;
const bytesPerMb = 1e6;
const bytesPerMib = 1024 ** 2;

/** A model of many small files and a long one, from a hub that is far away. */
export const filesBench = defineBench({
  name: 'files',
  title: 'A model of many files',
  packages: ['@huggingface/hub'],
  options: { rounds: rounds(5) },
  async run({ options: { rounds }, folder, signal, log }): Promise<Samples> {
    const hub = await startFarHub({ files: model, line }, signal);
    try {
      return await runRounds({
        ...{ contenders, rounds, hub, folder, signal },
        onRun: (round, name, ms) =>
          log(`${round === 0 ? 'discarded' : `round ${round}/${rounds}`}: ${name} ${ms.toFixed(0)} ms`),
      });
    } finally {
      await hub.stop();
    }
  },
  report: (samples, { rounds }) => filesReport(samples, rounds),
});

/** A row per contender, then the targets. */
export function filesReport(samples: Samples, rounds: number): { sections: string[]; failures: string[] } {
  const bytes = bytesOf(model);
  const size = `${Object.keys(model).length} files, ${(bytes / bytesPerMib).toFixed(0)} MiB`;
  const row = (name: ContenderName): string[] => {
    const seconds = median(samples[name]) / msPerSecond;
    const ratio = name === 'rbee' ? '' : timesAsFast(samples, name).toFixed(2);
    return [contenders[name].title, seconds.toFixed(2), (bytes / bytesPerMb / seconds).toFixed(0), ratio];
  };
  const verdicts = verdictsOf(samples);
  return {
    sections: [
      `${size}, medians of ${rounds} alternating rounds after a discarded one.`,
      markdownTable(columns, contenderNames.map(row)),
      verdictTable(verdicts),
    ],
    failures: failuresOf('files', [], verdicts),
  };
}

function verdictsOf(samples: Samples): Verdict[] {
  return [
    atLeast('speed over snapshotDownload', targets.snapshot, timesAsFast(samples, 'snapshot')),
    atLeast('speed over eight parallel downloads', targets['eight-at-once'], timesAsFast(samples, 'eight-at-once')),
    atLeast('speed over one connection', targets['one-by-one'], timesAsFast(samples, 'one-by-one')),
  ];
}

/** The time of the other contender divided by that of rbee. */
const timesAsFast = (samples: Samples, other: ContenderName): number => medianRatio(samples[other], samples.rbee);

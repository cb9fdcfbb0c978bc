import { defineBench } from '../define-bench.ts';
import { count, rounds } from '../options.ts';
import { type Helper, startHelper } from '../process/helper.ts';
import { median, medianRatio, percentile } from '../stats.ts';
import { type Column, markdownTable } from '../table.ts';
import { atLeast, failuresOf, verdictTable } from '../verdict.ts';
import type { ReadersQuestion, RunAnswer } from './readers-main.ts';
import type { RelayHello } from './server-main.ts';

const serverNames = ['rbee', 'node-http'] as const;
type ServerName = (typeof serverNames)[number];

interface RelaySample {
  readonly deliveriesPerCpuSecond: number;
  /** Until the last reader has an event. */
  readonly medianMs: number;
  readonly p99Ms: number;
}

/** In the order of the rounds. */
export type RelaySamples = Readonly<Record<ServerName, readonly RelaySample[]>>;

const titles: Readonly<Record<ServerName, string>> = { rbee: 'rbee', 'node-http': 'node:http, one Buffer for all' };
const events = 200;
const maxReaders = 20_000;
const target = 1.3;
const columns: readonly Column[] = [
  { title: 'server', align: 'left' },
  { title: 'deliveries per CPU s', align: 'right' },
  { title: 'median ms to the last reader', align: 'right' },
  { title: 'p99 ms', align: 'right' },
];

/** The fan-out of one stream to many readers, compared with a plain broadcaster. */
export const relayBench = defineBench({
  name: 'relay',
  title: 'The relay',
  options: { readers: count(1_000, maxReaders, 'readers of the stream'), rounds: rounds(7) },
  async run({ options: { readers, rounds }, signal, log }): Promise<RelaySamples> {
    const samples: Record<ServerName, RelaySample[]> = { rbee: [], 'node-http': [] };
    const stands: Stand[] = [];
    try {
      for (const name of serverNames) stands.push(await openStand(name, readers, signal));
      for (let round = 0; round <= rounds; round += 1) {
        for (const stand of stands) {
          const sample = await stand.run();
          const when = round === 0 ? 'discarded' : `round ${round}/${rounds}`;
          log(`${when}: ${stand.name} ${sample.deliveriesPerCpuSecond.toFixed(0)} deliveries per CPU second`);
          if (round > 0) samples[stand.name].push(sample);
        }
      }
      return samples;
    } finally {
      for (const stand of stands) await stand.stop();
    }
  },
  report: (samples, { readers, rounds }) => relayReport(samples, readers, rounds),
});

export function relayReport(samples: RelaySamples, readers: number, rounds: number) {
  const rates = (name: ServerName): number[] => samples[name].map((sample) => sample.deliveriesPerCpuSecond);
  const ratio = medianRatio(rates('rbee'), rates('node-http'));
  const verdicts = [atLeast('deliveries per CPU second compared with node:http', target, ratio)];
  const rows = serverNames.map((name) => [
    titles[name],
    median(rates(name)).toFixed(0),
    median(samples[name].map(({ medianMs }) => medianMs)).toFixed(1),
    median(samples[name].map(({ p99Ms }) => p99Ms)).toFixed(1),
  ]);
  return {
    sections: [
      `1 stream, ${readers} readers, one event in flight. Medians of ${rounds} alternating rounds after a discarded one.`,
      markdownTable(columns, rows),
      verdictTable(verdicts),
    ],
    failures: failuresOf('relay', [], verdicts),
  };
}

/** A server and its readers, each a process. They stay while the others take their turns. */
interface Stand {
  readonly name: ServerName;
  run(): Promise<RelaySample>;
  stop(): Promise<void>;
}

async function openStand(name: ServerName, readers: number, signal: AbortSignal): Promise<Stand> {
  const helpers: Helper[] = [];
  const stop = async (): Promise<void> => void (await Promise.all(helpers.map((helper) => helper.stop())));
  try {
    const server = await startHelper({ script: new URL('server-main.ts', import.meta.url), args: [name], signal });
    helpers.push(server);
    const crowd = await startHelper({ script: new URL('readers-main.ts', import.meta.url), signal });
    helpers.push(crowd);
    const { port, path, publishPort } = server.hello as RelayHello;
    const ask = (question: ReadersQuestion): Promise<unknown> => crowd.ask(question);
    await ask({ kind: 'open', port, path, readers });
    return {
      name,
      stop,
      async run() {
        const question = { kind: 'run', publishPort, serverPid: server.pid, events } as const;
        const { eventMs, serverCpuSeconds } = (await ask(question)) as RunAnswer;
        return {
          deliveriesPerCpuSecond: (events * readers) / serverCpuSeconds,
          medianMs: median(eventMs),
          p99Ms: percentile(eventMs, 0.99),
        };
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

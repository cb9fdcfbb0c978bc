import { setTimeout as delay } from 'node:timers/promises';
import { type Helper, startHelper } from '../process/helper.ts';
import { cpuSecondsOfTree, residentBytesOfTree } from '../process/proc.ts';
import { type ContenderName, type StartOptions, startContender } from './contenders.ts';
import type { BurstResult, CrowdQuestion, WatchResult } from './crowd-questions.ts';
import type { Metric, Sample } from './results.ts';
import type { Burst, Pace } from './scenarios.ts';
import { stampedData } from './stamp.ts';

/** A server and its readers, each a process, that stay while the others have their turns. */
export interface Stand {
  burst(events: Burst): Promise<Sample>;
  pace(events: Pace): Promise<Sample>;
  /** Ends all streams, where the server can. */
  end(): Promise<Sample>;
  stop(): Promise<void>;
}

const bytesPerKb = 1_000;
const msPerSecond = 1_000;
const warmUpEvents = 4;
/** What the first readers bring with them is the heap's room to grow, not theirs: the rest are measured. */
const firstShare = 0.2;

/** @throws Error when a server does not start or a stream is not answered */
export async function openStand(name: ContenderName, options: StartOptions): Promise<Stand> {
  const server = await startContender(name, options);
  let crowd: Helper | null = null;
  try {
    crowd = await startCrowd(options.signal);
    const ask = crowd.ask.bind(crowd) as (question: CrowdQuestion) => Promise<unknown>;
    const gather = async (readersEach: number): Promise<number> => {
      await ask({ kind: 'gather', port: server.port, paths: [server.path], readersEach });
      await server.settle();
      return residentBytesOfTree(server.pid);
    };
    const { readers } = options;
    const first = Math.ceil(readers * firstShare);
    const before = await gather(first);
    const after = await gather(readers - first);
    const kbPerReader = (after - before) / (readers - first) / bytesPerKb;
    const { publishUrl, pid } = server;
    const expect = (deliveries: number, events: number): void => {
      if (deliveries === events * readers) return;
      throw new Error(`${name} delivered ${deliveries} of ${events} events to ${readers} readers`);
    };
    const leave = async (): Promise<void> => {
      await crowd?.stop();
      await server.stop();
    };
    return {
      async burst({ count }) {
        const question = { kind: 'burst', publishUrl, readers, serverPid: pid, events: count } as const;
        const { deliveries, serverCpuSeconds, p50Ms, p99Ms } = (await ask(question)) as BurstResult;
        expect(deliveries, count);
        return { deliveriesPerCpuSecond: deliveries / serverCpuSeconds, p50Ms, p99Ms, kbPerReader };
      },
      async pace(pace) {
        await ask({ kind: 'watch' });
        await publishPaced(publishUrl, warmUpEvents, pace.perSecond, options.signal);
        await ask({ kind: 'watched', deliveries: warmUpEvents * readers });
        await ask({ kind: 'watch' });
        await server.watch();
        const cpuBefore = cpuSecondsOfTree(pid);
        const events = pace.perSecond * pace.seconds;
        await publishPaced(publishUrl, events, pace.perSecond, options.signal);
        const watched = (await ask({ kind: 'watched', deliveries: events * readers })) as WatchResult;
        const cpuSeconds = cpuSecondsOfTree(pid) - cpuBefore;
        expect(watched.deliveries, events);
        const { deliveries, p50Ms, p99Ms } = watched;
        const deliveriesPerCpuSecond = deliveries / cpuSeconds;
        const stop = known('longestStopMs', await server.longestStopMs());
        return { deliveriesPerCpuSecond, p50Ms, p99Ms, kbPerReader, ...stop };
      },
      end: async () => known('closeMs', await server.endAllMs()),
      stop: leave,
    };
  } catch (error) {
    await crowd?.stop();
    await server.stop();
    throw error;
  }
}

export function startCrowd(signal: AbortSignal): Promise<Helper> {
  return startHelper({ script: new URL('crowd-main.ts', import.meta.url), signal });
}

async function publishPaced(url: string, events: number, perSecond: number, signal: AbortSignal): Promise<void> {
  const startedMs = performance.now();
  const headers = { 'content-type': 'application/json', 'x-eventsource-event': 'progress' };
  for (let event = 1; event <= events; event += 1) {
    const answer = await fetch(url, { method: 'POST', body: stampedData(), headers, signal });
    await answer.arrayBuffer();
    await delay(startedMs + (event * msPerSecond) / perSecond - performance.now(), null, { signal });
  }
}

const known = (metric: Metric, value: number | null): Sample => (value === null ? {} : { [metric]: value });

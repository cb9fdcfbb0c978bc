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
  const { readers, signal } = options;
  const { server, ask, stop } = await startBoth(name, options);
  const { publishUrl, pid } = server;
  const expect = (deliveries: number, events: number): void => {
    if (deliveries === events * readers) return;
    throw new Error(`${name} delivered ${deliveries} of ${events} events to ${readers} readers`);
  };
  try {
    await ask({ kind: 'gather', port: server.port, paths: [server.path], readersEach: readers });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async burst({ count }) {
      const question = { kind: 'burst', publishUrl, readers, serverPid: pid, events: count } as const;
      const { deliveries, serverCpuSeconds, p50Ms, p99Ms } = (await ask(question)) as BurstResult;
      expect(deliveries, count);
      return { deliveriesPerCpuSecond: deliveries / serverCpuSeconds, p50Ms, p99Ms };
    },
    async pace({ perSecond, seconds }) {
      await ask({ kind: 'watch' });
      await publishPaced(publishUrl, warmUpEvents, perSecond, signal);
      await ask({ kind: 'watched', deliveries: warmUpEvents * readers });
      await ask({ kind: 'watch' });
      await server.watch();
      const cpuBefore = cpuSecondsOfTree(pid);
      const events = perSecond * seconds;
      await publishPaced(publishUrl, events, perSecond, signal);
      const watched = (await ask({ kind: 'watched', deliveries: events * readers })) as WatchResult;
      const cpuSeconds = cpuSecondsOfTree(pid) - cpuBefore;
      expect(watched.deliveries, events);
      const { deliveries, p50Ms, p99Ms } = watched;
      const longestStop = known('longestStopMs', await server.longestStopMs());
      return { deliveriesPerCpuSecond: deliveries / cpuSeconds, p50Ms, p99Ms, ...longestStop };
    },
    end: async () => known('closeMs', await server.endAllMs()),
    stop,
  };
}

/**
 * What an idle reader holds of a server's memory, measured on a server of its own: the collection of garbage before it leaves a heap
 * behind that has to grow again, which would show in the times of whoever is measured next.
 */
export async function measureIdle(name: ContenderName, options: StartOptions): Promise<Sample> {
  const { server, ask, stop } = await startBoth(name, options);
  const gather = async (readersEach: number): Promise<number> => {
    await ask({ kind: 'gather', port: server.port, paths: [server.path], readersEach });
    await server.settle();
    return residentBytesOfTree(server.pid);
  };
  try {
    const first = Math.ceil(options.readers * firstShare);
    const others = options.readers - first;
    const before = await gather(first);
    const after = await gather(others);
    return { kbPerReader: (after - before) / others / bytesPerKb };
  } finally {
    await stop();
  }
}

async function startBoth(name: ContenderName, options: StartOptions) {
  const server = await startContender(name, options);
  try {
    const crowd = await startCrowd(options.signal);
    return {
      server,
      ask: (question: CrowdQuestion): Promise<unknown> => crowd.ask(question),
      async stop(): Promise<void> {
        await crowd.stop();
        await server.stop();
      },
    };
  } catch (error) {
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

// The readers as a process of their own. It is asked over IPC: to gather a crowd, to have a burst or a paced run, and to leave.
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuSecondsOfTree } from '../process/proc.ts';
import { type Crowd, gather } from './crowd.ts';
import type { CrowdAnswer, CrowdQuestion } from './crowd-questions.ts';
import { createLatencies } from './latencies.ts';
import { nowUs, stampedData } from './stamp.ts';

const quietLimitMs = 10_000;
const crowds: Crowd[] = [];
const latencies = createLatencies();
/** Longer than a server takes between two of its writes. */
const awakeUs = 3_000;
let isVigilant = false;
let isTurning = false;
let lastStampUs = 0;
let onCount: { readonly wanted: number; readonly reached: () => void } | null = null;

function onStamp(us: number): void {
  lastStampUs = nowUs();
  latencies.add(lastStampUs - us);
  if (isVigilant) stayAwake();
  if (onCount !== null && latencies.count >= onCount.wanted) onCount.reached();
}

/** Resolves when that many events have been read, or when too little comes for it. */
async function reached(wanted: number): Promise<void> {
  if (latencies.count >= wanted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen = latencies.count;
  const timer = setInterval(() => {
    if (latencies.count === seen) resolve();
    seen = latencies.count;
  }, quietLimitMs);
  onCount = { wanted, reached: resolve };
  await promise;
  onCount = null;
  clearInterval(timer);
}

/** Resolves when nothing has come for so long. */
async function quiet(ms: number): Promise<void> {
  for (let seen = -1; seen !== latencies.count; ) {
    seen = latencies.count;
    await delay(ms);
  }
}

/** One event in flight: the next is published when every reader has had the last. */
async function burst({ publishUrl, readers, serverPid, events }: CrowdQuestion & { kind: 'burst' }) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  isVigilant = true;
  latencies.clear();
  const startedCpu = cpuSecondsOfTree(serverPid);
  for (let event = 1; event <= events; event += 1) {
    await publish(publishUrl, agent);
    await reached(event * readers);
    if (latencies.count !== event * readers) break;
  }
  const serverCpuSeconds = cpuSecondsOfTree(serverPid) - startedCpu;
  isVigilant = false;
  agent.destroy();
  return { deliveries: latencies.count, serverCpuSeconds, ...latencies.summary() };
}

/**
 * Waking a process that waits for a packet is work of whoever sends it on the same machine; over a network it is not. So the readers do
 * not go to sleep while the work of a server is measured. Where time is measured they do: they would take it from the server.
 */
function stayAwake(): void {
  if (isTurning) return;
  isTurning = true;
  const turn = (): void => {
    isTurning = nowUs() - lastStampUs < awakeUs;
    if (isTurning) setImmediate(turn);
  };
  setImmediate(turn);
}

function publish(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'x-eventsource-event': 'progress' };
    const sent = request(url, { method: 'POST', headers, agent }, (answer) => {
      answer.resume();
      answer.once('end', resolve);
    });
    sent.once('error', reject);
    sent.end(stampedData());
  });
}

async function answer(question: CrowdQuestion): Promise<CrowdAnswer> {
  switch (question.kind) {
    case 'gather':
      for (const path of question.paths) {
        crowds.push(await gather({ port: question.port, path, readers: question.readersEach, onStamp }));
      }
      return { kind: 'done' };
    case 'burst':
      return { kind: 'burst', ...(await burst(question)) };
    case 'quiet':
      await quiet(question.ms);
      return { kind: 'done' };
    case 'watch':
      latencies.clear();
      return { kind: 'done' };
    case 'watched':
      await reached(question.deliveries);
      return { kind: 'watched', deliveries: latencies.count, ...latencies.summary() };
    case 'leave':
      for (const crowd of crowds.splice(0)) crowd.close();
      return { kind: 'done' };
  }
}

process.on('message', (question: CrowdQuestion) => {
  void answer(question).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      process.stderr.write(`${error}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());
process.send?.({ kind: 'done' });

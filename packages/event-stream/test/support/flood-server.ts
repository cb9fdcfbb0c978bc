// A stream hub in its own process, so that its memory can be measured. It publishes on request over IPC.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createStreamHub } from '../../src/publish/stream-hub.ts';
import { serveChannel, startServer } from './stream-server.ts';

export interface FloodQuestion {
  /** Number of events to publish before the response, one after another. */
  readonly events: number;
  /** Collect garbage before the memory is read: slow, so only where the figure is wanted. */
  readonly collect?: boolean;
}

export interface FloodAnswer {
  readonly port: number;
  /** After a collection of garbage, where the question asked for one. */
  readonly rssBytes: number;
  /** Readers with a full kernel buffer. */
  readonly slow: number;
}

/** Far more than the kernel keeps for a connection, in all. */
const eventBytes = 20_000;

const channel = createStreamHub().channel({ mode: 'state', epoch: 'e' });
let slow = 0;
const server = await startServer((request, response, count) => {
  let isBlocked = false;
  const onWrite = (hasRoom: boolean) => {
    if (isBlocked === hasRoom) slow += hasRoom ? -1 : 1;
    isBlocked = !hasRoom;
  };
  serveChannel(channel, onWrite)(request, response, count);
});

async function publish(events: number): Promise<void> {
  for (let count = 0; count < events; count += 1) {
    channel.publish({ data: 'x'.repeat(eventBytes) }, 'state');
    // Longer than a pass over all readers takes.
    for (let turn = 0; turn < 4; turn += 1) await nextTurn();
  }
}

function answer(collect = false): void {
  if (collect) for (let round = 0; round < 2; round += 1) globalThis.gc?.();
  const reply: FloodAnswer = { port: server.port, rssBytes: process.memoryUsage.rss(), slow };
  process.send?.(reply);
}

process.on('message', ({ events, collect }: FloodQuestion) => void publish(events).then(() => answer(collect)));
process.on('disconnect', () => process.exit());
answer();

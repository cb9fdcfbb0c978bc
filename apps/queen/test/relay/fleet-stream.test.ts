import { newDownloadId } from '@rbee/contract';
import { createStreamHub, type StreamHub } from '@rbee/event-stream';
import { createWatch } from '@rbee/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { FleetStream } from '../../src/relay/fleet-stream.ts';
import { readChannel, readSlowly } from '../support/read-channel.ts';

// Goal: one stream has every download of the fleet, first as it stands and then as it goes on; a reader that does not keep
// up is skipped to the newest of each download, and neither notices nor ends are skipped.

let hub: StreamHub;
let stream: FleetStream;
const watch = createWatch(() => '');
const [a, b] = [newDownloadId(1), newDownloadId(2)];

beforeEach(() => {
  hub = createStreamHub();
  stream = new FleetStream(hub);
});

const progress = (id: typeof a, bytes: number) =>
  stream.publish(id, { event: 'progress', data: `${id === a ? 'a' : 'b'}${bytes}` }, 'state');
const notice = (id: typeof a, text: string) => stream.publish(id, { event: 'notice', data: text }, 'keep');
const complete = (id: typeof a) => stream.publish(id, { event: 'complete', data: id === a ? 'a' : 'b' }, 'terminal');

describe('the stream of the fleet', () => {
  it('begins with where each download stands that has not ended, and goes on in order', async () => {
    progress(a, 1);
    progress(b, 1);
    notice(a, 'earlier');
    progress(a, 2);
    const early = readChannel(stream.channel);
    expect(early).toEqual(['progress b1', 'progress a2']);
    complete(b);
    progress(a, 3);
    notice(a, 'now');
    await watch.waitFor(() => early.length === 5, 'the events');
    expect(early.slice(2)).toEqual(['complete b', 'progress a3', 'notice now']);
    expect(readChannel(stream.channel)).toEqual(['progress a3']);
  });

  it('has downloads that begin later, and no end of its own', async () => {
    const lines = readChannel(stream.channel);
    progress(a, 1);
    complete(a);
    progress(b, 1);
    await watch.waitFor(() => lines.length === 3, 'the events');
    expect(lines).toEqual(['progress a1', 'complete a', 'progress b1']);
    expect(stream.channel.accepts('any.1')).toBe('attach');
  });

  it('begins no faster than its reader takes it, with each download as it stands by then', async () => {
    progress(a, 1);
    progress(b, 1);
    const slow = readSlowly(stream.channel, { isStopped: true });
    const quick = readChannel(stream.channel);
    expect(slow.lines).toEqual([]);
    progress(a, 2);
    notice(a, 'now');
    await watch.waitFor(() => quick.length === 4, 'everything for the quick one');
    slow.goOn();
    expect(slow.lines).toEqual(['progress b1', 'progress a2', 'notice now']);
    expect(slow.overdue).toBe(0);
  });

  it('skips a slow reader to the newest of each download, and no notice and no end', async () => {
    const slow = readSlowly(stream.channel);
    const quick = readChannel(stream.channel);
    slow.stop();
    for (let bytes = 1; bytes <= 100; bytes += 1) {
      progress(a, bytes);
      progress(b, bytes);
      if (bytes === 50) notice(b, 'half');
    }
    await watch.waitFor(() => quick.length === 201, 'everything for the quick one');
    complete(b);
    await watch.waitFor(() => quick.length === 202, 'the end of one');
    expect(slow.lines).toEqual(['progress a1']);
    slow.goOn();
    expect(slow.lines.slice(1)).toEqual(['notice half', 'progress a100', 'complete b']);
    expect(stream.counts).toEqual({ skips: 1, skippedEvents: 202 - 4 });
    progress(a, 101);
    await watch.waitFor(() => slow.lines.length === 5, 'what is new');
    expect([slow.lines.at(-1), slow.overdue]).toEqual(['progress a101', 0]);
  });

  it('remembers no more than its limits for a reader that never reads', async () => {
    const slow = readSlowly(stream.channel);
    slow.stop();
    const quick = readChannel(stream.channel);
    const DOWNLOADS = 5_000;
    for (let index = 0; index < DOWNLOADS; index += 1) {
      const id = newDownloadId(1_000 + index);
      stream.publish(id, { event: 'progress', data: `${index}` }, 'state');
      stream.publish(id, { event: 'complete', data: `${index}` }, 'terminal');
    }
    await watch.waitFor(() => quick.at(-1) === `complete ${DOWNLOADS - 1}`, 'the last for the quick one');
    slow.goOn();
    // The first it had taken; of what it missed it gets the ends that are kept, and the last of all is among them.
    expect(slow.lines.length).toBeLessThan(1_100);
    expect(slow.lines.at(-1)).toBe(`complete ${DOWNLOADS - 1}`);
    expect(quick.length).toBeGreaterThan(1_000);
  });

  it('serves many readers, each with everything, and forgets those that leave', async () => {
    const readers = Array.from({ length: 300 }, () => readChannel(stream.channel));
    const leaver = readSlowly(stream.channel);
    expect(hub.readers).toBe(301);
    leaver.leave();
    expect(hub.readers).toBe(300);
    for (let bytes = 1; bytes <= 20; bytes += 1) progress(a, bytes);
    await watch.waitFor(() => readers.every((lines) => lines.length === 20), 'everything for everybody');
    expect(leaver.lines).toEqual([]);
  });

  it('is ended by the hub, and takes nobody when that is full or closed', async () => {
    const full = createStreamHub({ maxReaders: 1 });
    const { channel } = new FleetStream(full);
    const reader = readSlowly(channel);
    expect(readChannel(channel)).toEqual([]);
    expect(full.readers).toBe(1);
    await full.close();
    expect(reader.isClosed).toBe(true);
    expect(readChannel(channel)).toEqual([]);
    expect(full.readers).toBe(0);
  });
});

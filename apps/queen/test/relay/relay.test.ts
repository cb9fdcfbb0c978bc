import { hiveRoutes, newDownloadId, pathOf } from '@rbee/contract';
import { type Channel, createStreamHub, type Sink } from '@rbee/event-stream';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Relay } from '../../src/relay/relay.ts';
import { type FakeHive, startFakeHive } from '../support/fake-hive.ts';

// Goal: what a hive says reaches any number of readers over one upstream, untouched but for what the queen adds, and a
// lost hive ends nothing. Method: the hive's side is a real server that is cut at the socket.

let hive: FakeHive;
let dispatcher: Agent;
let relay: Relay;
const id = newDownloadId();
const path = pathOf(hiveRoutes.streamDownload, { id });

beforeEach(async () => {
  hive = await startFakeHive();
  dispatcher = new Agent({ bodyTimeout: 0 });
  relay = new Relay({ queenId: 'queen-1', hub: createStreamHub(), dispatcher, headers: {} });
});
afterEach(async () => {
  relay.close();
  await dispatcher.destroy();
  await hive.close();
});

function open(): Channel {
  return relay.open({ hive_id: 'hive-a', hive_url: hive.url }, id);
}

/** What a reader of a channel gets: `event data`. */
function read(channel: Channel): string[] {
  const lines: string[] = [];
  const sink: Sink = {
    write(frame) {
      for (const block of frame.plain.toString().split('\n\n')) {
        const data = /^data: ?(.*)$/m.exec(block)?.[1];
        if (data !== undefined) lines.push(`${/^event: ?(.*)$/m.exec(block)?.[1]} ${data}`);
      }
      return true;
    },
    end: () => lines.push('end'),
    destroy: () => {},
    onDrain: () => {},
    onClose: () => {},
  };
  channel.attach(sink, null);
  return lines;
}

const progress = (bytes: number) => JSON.stringify({ download_id: id, hive_id: 'hive-a', bytes });

describe('the relay', () => {
  it('gives every reader the same over one upstream, with the queen and the hive named once', async () => {
    const upstream = hive.channel();
    hive.serve(path, upstream);
    const readers = Array.from({ length: 50 }, () => read(open()));
    await hive.waitFor(() => hive.requests.length === 1, 'the upstream');
    upstream.publish({ event: 'progress', data: progress(1) }, 'state');
    upstream.publish({ event: 'notice', data: '{"code":"RETRY"}' }, 'keep');
    upstream.publish({ event: 'complete', data: '{"bytes":2}' }, 'terminal');
    await hive.waitFor(() => readers.every((lines) => lines.at(-1) === 'end'), 'the end');
    const added = '"orchestrator_id":"queen-1"';
    for (const lines of readers) {
      expect(lines).toEqual([
        `progress {${added},${progress(1).slice(1)}`,
        `notice {${added},"hive_id":"hive-a","code":"RETRY"}`,
        `complete {${added},"hive_id":"hive-a","bytes":2}`,
        'end',
      ]);
    }
    expect(hive.requests).toHaveLength(1);
  });

  it('says when the hive is lost and when it is back, and goes on', async () => {
    const upstream = hive.channel();
    hive.serve(path, upstream);
    upstream.publish({ event: 'progress', data: progress(1) }, 'state');
    const lines = read(open());
    await hive.waitFor(() => lines.length === 1, 'the first event');
    hive.cut();
    await hive.waitFor(() => lines.some((line) => line.includes('HIVE_LOST')), 'the loss to be told');
    await hive.waitFor(() => lines.some((line) => line.includes('HIVE_BACK')), 'the return to be told');
    upstream.publish({ event: 'progress', data: progress(2) }, 'state');
    upstream.publish({ event: 'complete', data: '{"bytes":2}' }, 'terminal');
    await hive.waitFor(() => lines.at(-1) === 'end', 'the end');
    const bytes = lines.filter((line) => line.startsWith('progress')).map((line) => /"bytes":(\d)/.exec(line)?.[1]);
    expect(bytes).toEqual(['1', '2']);
    expect(lines.filter((line) => /^(complete|error|cancelled)/.test(line))).toHaveLength(1);
  });

  it('ends a stream whose download the hive no longer knows, and says what to do', async () => {
    const lines = read(open());
    await hive.waitFor(() => lines.at(-1) === 'end', 'the end');
    expect(lines[0]).toMatch(/^error .*"code":"DOWNLOAD_NOT_FOUND".*"hint":"ask for the model again/);
  });

  it('gives a late reader of an ended download the terminal event alone', async () => {
    const upstream = hive.channel();
    upstream.publish({ event: 'cancelled', data: '{"bytes":0}' }, 'terminal');
    hive.serve(path, upstream);
    const first = read(open());
    await hive.waitFor(() => first.at(-1) === 'end', 'the end');
    const late = read(open());
    await hive.waitFor(() => late.at(-1) === 'end', 'the end');
    expect(late).toEqual(first);
    expect(hive.requests).toHaveLength(1);
  });
});

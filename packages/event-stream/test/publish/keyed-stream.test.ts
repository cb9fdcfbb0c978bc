import { beforeEach, describe, expect, it } from 'vitest';
import type { KeyedStream } from '../../src/publish/keyed-stream.ts';
import { createStreamHub, type StreamHub } from '../../src/publish/stream-hub.ts';
import { createMemorySink, type MemorySink } from '../support/memory-sink.ts';
import { turns, waitFor } from '../support/wait-for.ts';

// Goal: one stream carries many subjects: first the newest state of each, then every event in order. A reader that does not keep
// up is skipped to the newest state of each subject, and no other event is skipped. Method: readers in memory that can be full.

let streamHub: StreamHub;
let stream: KeyedStream;

beforeEach(() => {
  streamHub = createStreamHub();
  stream = streamHub.keyedStream();
});

const state = (key: string, value: number) => stream.publish(key, { event: 'state', data: `${key}${value}` }, 'state');
const note = (key: string, text: string) => stream.publish(key, { event: 'note', data: `${key} ${text}` }, 'keep');
const end = (key: string) => stream.publish(key, { event: 'end', data: key }, 'terminal');

function attach(to: KeyedStream = stream, sink: MemorySink = createMemorySink()): MemorySink {
  to.attach(sink, null);
  return sink;
}

/** A reader whose sink is full from its first frame. */
function attachFull(): MemorySink {
  const sink = createMemorySink();
  sink.fill();
  return attach(stream, sink);
}

const linesOf = (sink: MemorySink) => sink.events().map(({ event, data }) => `${event} ${data}`);

describe('a keyed stream that says where its snapshot ends', () => {
  beforeEach(() => {
    stream = streamHub.keyedStream({ snapshotEnd: { event: 'snapshot_end', data: '{}' } });
  });

  it('says it after the states that were there, also where there are none', async () => {
    const first = attach();
    expect(linesOf(first)).toEqual(['snapshot_end {}']);
    state('a', 1);
    state('b', 1);
    const second = attach();
    expect(linesOf(second)).toEqual(['state a1', 'state b1', 'snapshot_end {}']);
    state('c', 1);
    await turns();
    expect(linesOf(first)).toEqual(['snapshot_end {}', 'state a1', 'state b1', 'state c1']);
    expect(linesOf(second).slice(3)).toEqual(['state c1']);
  });

  it('says it where the last thing that happened was an end or a notice', () => {
    state('a', 1);
    end('a');
    expect(linesOf(attach())).toEqual(['snapshot_end {}']);
    state('b', 1);
    note('b', 'now');
    expect(linesOf(attach())).toEqual(['state b1', 'snapshot_end {}']);
  });

  it('says it once to a reader that takes it slowly, before all that happened since', async () => {
    state('a', 1);
    state('b', 1);
    const slow = attachFull();
    state('b', 2);
    note('a', 'now');
    await turns();
    while (slow.isFull) slow.drain(1);
    expect(linesOf(slow)).toEqual(['state a1', 'snapshot_end {}', 'state b2', 'note a now']);
  });

  it('has ids that rise for each reader', async () => {
    state('a', 1);
    const readers = [attach(), attach()];
    state('a', 2);
    await turns();
    readers.push(attach());
    state('b', 1);
    await turns();
    for (const reader of readers) {
      const sequences = reader.ids().map((id) => Number(id.split('.')[1]));
      expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
      expect(sequences.length).toBeGreaterThan(2);
    }
  });
});

describe('a reader of a keyed stream that comes back', () => {
  beforeEach(() => {
    stream = streamHub.keyedStream({ snapshotEnd: { event: 'snapshot_end', data: '{}' } });
  });

  function attachAfter(lastEventId: string | null): MemorySink {
    const sink = createMemorySink();
    stream.attach(sink, lastEventId);
    return sink;
  }

  it('[L9] gets the ends that it missed, in their places, and nothing else of the past', async () => {
    for (const key of ['a', 'b', 'c', 'd']) state(key, 1);
    end('a');
    const first = attach();
    await turns();
    const had = first.ids().at(-1) ?? null;
    end('b');
    state('c', 2);
    note('c', 'missed');
    end('d');
    expect(linesOf(attachAfter(had))).toEqual(['end b', 'state c2', 'end d', 'snapshot_end {}']);
    expect(linesOf(attachAfter(null))).toEqual(['state c2', 'snapshot_end {}']);
  });

  it('[L9] gets nothing twice that it has by the id of the last event', async () => {
    state('a', 1);
    const first = attach();
    end('a');
    state('b', 1);
    await turns();
    expect(linesOf(first)).toEqual(['state a1', 'snapshot_end {}', 'end a', 'state b1']);
    expect(linesOf(attachAfter(first.ids().at(-1) ?? null))).toEqual(['state b1', 'snapshot_end {}']);
  });

  it.each([
    ['of another run', () => 'cafe.4'],
    ['that makes no sense', () => 'x'],
    ['from the future', (id: string) => id.replace(/\d+$/, '900')],
  ])('[L9] gets the snapshot alone with an id %s', (_what, idOf) => {
    state('a', 1);
    const id = attach().ids().at(-1) ?? '';
    end('a');
    state('b', 1);
    expect(linesOf(attachAfter(idOf(id)))).toEqual(['state b1', 'snapshot_end {}']);
  });

  it('[L9] has the latest ends kept for it, whatever number of notices there were', async () => {
    state('a', 1);
    const id = attach().ids().at(-1) ?? null;
    end('a');
    for (let count = 0; count < 3_000; count += 1) note('b', String(count));
    expect(linesOf(attachAfter(id))).toEqual(['end a', 'snapshot_end {}']);
    for (let count = 0; count < 1_100; count += 1) end(`c${count}`);
    const late = attachAfter(id);
    expect(linesOf(late)).toHaveLength(1_025);
    expect(linesOf(late).at(-2)).toBe('end c1099');
  });

  it('[L9] counts towards the limit of streams of its address', () => {
    const few = createStreamHub({ maxReadersPerAddress: 2 }).keyedStream();
    const attachFrom = (address: string | null) => few.attach(createMemorySink(), null, address);
    expect([attachFrom('192.0.2.1'), attachFrom('192.0.2.1')]).toEqual(['attached', 'attached']);
    expect([attachFrom('192.0.2.1'), attachFrom('192.0.2.2'), attachFrom(null)]).toEqual([
      'refused',
      'attached',
      'attached',
    ]);
  });
});

describe('a keyed stream', () => {
  it('starts with the newest state of each subject that has not ended, and continues in order', async () => {
    state('a', 1);
    state('b', 1);
    note('a', 'earlier');
    state('a', 2);
    const early = attach();
    expect(linesOf(early)).toEqual(['state b1', 'state a2']);
    end('b');
    state('a', 3);
    note('a', 'now');
    await turns();
    expect(linesOf(early).slice(2)).toEqual(['end b', 'state a3', 'note a now']);
    expect(linesOf(attach())).toEqual(['state a3']);
  });

  it('starts without the subjects that were forgotten', () => {
    state('a', 1);
    state('b', 1);
    stream.forget('a');
    expect(linesOf(attach())).toEqual(['state b1']);
  });

  it('carries subjects that start later, and never ends by itself', async () => {
    const reader = attach();
    state('a', 1);
    end('a');
    state('b', 1);
    await turns();
    expect(linesOf(reader)).toEqual(['state a1', 'end a', 'state b1']);
    expect([reader.state, stream.accepts('any.1')]).toEqual(['open', 'attach']);
  });

  it('starts no faster than its reader takes it, with the state of each subject by then', async () => {
    state('a', 1);
    state('b', 1);
    const slow = attachFull();
    const quick = attach();
    expect(linesOf(slow)).toEqual([]);
    state('a', 2);
    note('a', 'now');
    await turns();
    expect(linesOf(quick)).toHaveLength(4);
    slow.drain();
    expect(linesOf(slow)).toEqual(['state b1', 'state a2', 'note a now']);
    expect(streamHub.counts.skips).toBe(0);
  });

  it('sends a large snapshot piece by piece, with each subject once', () => {
    const subjects = Array.from({ length: 2_000 }, (_, index) => `subject-${index}-${'x'.repeat(50)}`);
    for (const key of subjects) state(key, 1);
    const slow = attachFull();
    for (const key of subjects.slice(0, 100)) state(key, 2);
    while (slow.isFull) slow.drain(2);
    const last = new Map(slow.events().map(({ data }) => [data.slice(0, -1), data.at(-1)]));
    expect(slow.events()).toHaveLength(subjects.length);
    expect(subjects.map((key) => last.get(key))).toEqual(subjects.map((_, index) => (index < 100 ? '2' : '1')));
  });

  it('skips a slow reader to the newest state of each subject, and skips no other event', async () => {
    const [slow, quick] = [attach(), attach()];
    slow.fill();
    state('a', 0);
    await turns();
    for (let value = 1; value <= 100; value += 1) {
      state('a', value);
      state('b', value);
      if (value === 50) note('b', 'half');
    }
    end('b');
    await waitFor(() => linesOf(quick).length === 203, 'everything for the quick one');
    expect(linesOf(slow)).toEqual(['state a0']);
    slow.drain();
    expect(linesOf(slow).slice(1)).toEqual(['note b half', 'state a100', 'end b']);
    expect(streamHub.counts).toMatchObject({ skips: 1, skippedEvents: 202 - 3 });
    state('a', 101);
    await turns();
    expect(linesOf(slow).at(-1)).toBe('state a101');
  });

  it('remembers no more than its limits for a reader that never reads', async () => {
    const slow = attachFull();
    const quick = attach();
    const subjects = 5_000;
    for (let index = 0; index < subjects; index += 1) {
      state(`${index}`, 1);
      end(`${index}`);
    }
    await waitFor(() => linesOf(quick).at(-1) === `end ${subjects - 1}`, 'the last event for the quick one');
    expect(linesOf(quick)).toHaveLength(2 * subjects);
    slow.drain();
    // Of what it missed it gets the ends that are kept, and the last of all is among them.
    expect(linesOf(slow).length).toBeLessThan(1_100);
    expect(linesOf(slow).at(-1)).toBe(`end ${subjects - 1}`);
  });

  it('gives many readers everything, and forgets the ones that leave', async () => {
    const readers = Array.from({ length: 300 }, () => attach());
    const leaver = attach();
    expect(streamHub.readers).toBe(301);
    leaver.close();
    expect(streamHub.readers).toBe(300);
    for (let value = 1; value <= 20; value += 1) state('a', value);
    await waitFor(() => readers.every((reader) => linesOf(reader).length === 20), 'everything for all');
    expect(linesOf(leaver)).toEqual([]);
  });

  it('is bounded, kept alive and ended by its hub, as every stream', async () => {
    const full = createStreamHub({ maxReaders: 2, maxReadersPerAddress: 1 });
    const keyed = full.keyedStream();
    const reader = createMemorySink();
    expect(keyed.attach(reader, null, 'a')).toBe('attached');
    expect(keyed.attach(createMemorySink(), null, 'a')).toBe('refused');
    expect(keyed.attach(createMemorySink(), null, 'b')).toBe('attached');
    expect(keyed.attach(createMemorySink(), null, 'c')).toBe('refused');
    await full.close();
    expect(reader.state).toBe('ended');
    expect(keyed.attach(createMemorySink(), null)).toBe('refused');
    expect(full.readers).toBe(0);
  });
});

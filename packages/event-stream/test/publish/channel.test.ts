import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../src/publish/channel.ts';
import type { EventKind } from '../../src/publish/feed.ts';
import { createStreamHub } from '../../src/publish/stream-hub.ts';
import { createMemorySink, type MemorySink } from '../support/memory-sink.ts';
import { turns, waitFor } from '../support/wait-for.ts';

const stateChannel = (epoch = 'e') => createStreamHub().channel({ mode: 'state', epoch });
const gapEvent = (missed: number) => ({ event: 'gap', data: String(missed) });
const logChannel = (historyLimit?: number) =>
  createStreamHub().channel({
    mode: 'log',
    epoch: 'e',
    gapEvent,
    ...(historyLimit === undefined ? {} : { historyLimit }),
  });

function attach(channel: Channel, lastEventId: string | null = null): MemorySink {
  const sink = createMemorySink();
  expect(channel.attach(sink, lastEventId)).toBe('attached');
  return sink;
}

function publishMany(channel: Channel, kinds: readonly EventKind[]): void {
  for (const kind of kinds) channel.publish({ event: kind, data: kind }, kind);
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => `e.${from + index}`);

describe('a state channel', () => {
  it('gives a new reader the retry time, the newest state, then what is live', async () => {
    const channel = stateChannel();
    publishMany(channel, ['state', 'state', 'keep']);
    const sink = attach(channel);
    expect(sink.text()).toMatch(/^retry: 3000\n\n/);
    expect(sink.ids()).toEqual(['e.2']);
    publishMany(channel, ['keep', 'state']);
    await turns();
    expect(sink.ids()).toEqual(['e.2', 'e.4', 'e.5']);
  });

  it('greets a reader before there is any state', async () => {
    const channel = stateChannel();
    const sink = attach(channel);
    expect(sink.text()).toBe('retry: 3000\n\n');
    expect(channel.lastId).toBeNull();
    publishMany(channel, ['keep', 'state']);
    await turns();
    expect(sink.ids()).toEqual(['e.1', 'e.2']);
  });

  it('gives the snapshot whatever the Last-Event-ID', () => {
    const channel = stateChannel();
    publishMany(channel, ['state', 'state']);
    for (const id of ['e.1', 'e.2', 'e.99', 'other.1', 'nonsense\n'])
      expect(attach(channel, id).ids()).toEqual(['e.2']);
  });

  it('gives each event to a reader that attaches in the same turn exactly once', async () => {
    const channel = stateChannel();
    const early = attach(channel);
    publishMany(channel, ['state', 'keep']);
    const late = attach(channel);
    publishMany(channel, ['state']);
    await turns();
    expect(early.ids()).toEqual(['e.1', 'e.2', 'e.3']);
    expect(late.ids()).toEqual(['e.1', 'e.3']);
  });

  it('ends every stream after the terminal event', async () => {
    const channel = stateChannel();
    const sinks = [attach(channel), attach(channel)];
    publishMany(channel, ['state', 'terminal']);
    await turns();
    for (const sink of sinks) {
      expect(sink.ids()).toEqual(['e.1', 'e.2']);
      expect(sink.state).toBe('ended');
    }
  });

  it('gives a reader that comes after the end the terminal event alone, and ends it', () => {
    const channel = stateChannel();
    publishMany(channel, ['state', 'keep', 'terminal']);
    expect(channel.ended).toBe(true);
    const sink = attach(channel, 'e.1');
    expect(sink.ids()).toEqual(['e.3']);
    expect(sink.state).toBe('ended');
  });

  it('has no content for a reader that has the terminal event', () => {
    const channel = stateChannel();
    publishMany(channel, ['state']);
    expect(channel.accepts('e.1')).toBe('attach');
    publishMany(channel, ['terminal']);
    for (const id of ['e.2', 'e.3']) {
      const sink = createMemorySink();
      expect(channel.accepts(id)).toBe('no_content');
      expect(channel.attach(sink, id)).toBe('no_content');
      expect(sink.frames).toEqual([]);
    }
    for (const id of [null, 'e.1', 'f.2', 'f.99']) expect(channel.accepts(id)).toBe('attach');
  });

  it('takes nothing after the terminal event', () => {
    const channel = stateChannel();
    publishMany(channel, ['terminal']);
    expect(() => publishMany(channel, ['state'])).toThrow('has ended');
    expect(() => publishMany(channel, ['terminal'])).toThrow('has ended');
    expect(channel.lastId).toBe('e.1');
  });

  it('gives no number to an event that it rejects', () => {
    const channel = stateChannel();
    expect(() => channel.publish({ event: 'a\nb', data: '' }, 'state')).toThrow('must not hold');
    expect(channel.publish({ data: 'x' }, 'state')).toBe('e.1');
  });

  it('has a random epoch by default', () => {
    const [one, two] = [createStreamHub(), createStreamHub()].map((streamHub) => streamHub.channel({ mode: 'state' }));
    const ids = [one?.publish({ data: 'x' }, 'state'), two?.publish({ data: 'x' }, 'state')];
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^[a-z0-9]{12}\.1$/);
    for (const epoch of ['', 'a.b', 'a b']) expect(() => stateChannel(epoch)).toThrow('letters and digits');
  });
});

describe('a state channel with a reader that lags', () => {
  it('writes nothing more to it, then the kept events and the newest state in the order of their ids', async () => {
    const channel = stateChannel();
    const slow = attach(channel);
    const fast = attach(channel);
    slow.fill();
    publishMany(channel, ['state']);
    await turns();
    publishMany(channel, ['state', 'keep', 'state', 'keep', 'state', 'keep']);
    await turns();
    publishMany(channel, ['state', 'state', 'keep']);
    await turns();
    expect(slow.ids()).toEqual(['e.1']);
    expect(fast.ids()).toEqual(range(1, 10));
    slow.drain();
    expect(slow.ids()).toEqual(['e.1', 'e.3', 'e.5', 'e.7', 'e.9', 'e.10']);
    publishMany(channel, ['state', 'state']);
    await turns();
    expect(slow.ids().slice(-2)).toEqual(['e.11', 'e.12']);
  });

  it('gives it the terminal event once it reads again, and ends it', async () => {
    const channel = stateChannel();
    const slow = attach(channel);
    slow.fill();
    publishMany(channel, ['state']);
    await turns();
    publishMany(channel, ['state', 'state', 'terminal']);
    await turns();
    expect(slow.state).toBe('open');
    slow.drain();
    expect(slow.ids()).toEqual(['e.1', 'e.3', 'e.4']);
    expect(slow.state).toBe('ended');
  });

  it('keeps at most 64 events for it, dropping the oldest', async () => {
    const channel = stateChannel();
    const slow = attach(channel);
    slow.fill();
    publishMany(channel, ['state']);
    await turns();
    publishMany(
      channel,
      Array.from({ length: 200 }, () => 'keep' as const),
    );
    await turns();
    slow.drain();
    expect(slow.ids()).toEqual(['e.1', ...range(138, 201)]);
  });

  it('continues in order when it stops again halfway', async () => {
    const channel = stateChannel();
    const slow = attach(channel);
    slow.fill();
    publishMany(channel, ['state']);
    await turns();
    for (let count = 0; count < 4; count += 1) channel.publish({ data: 'x'.repeat(12_000) }, 'keep');
    slow.drain(2);
    expect(slow.ids()).toEqual(range(1, 3));
    publishMany(channel, ['state', 'keep']);
    await turns();
    expect(slow.ids()).toEqual(range(1, 3));
    slow.drain();
    expect(slow.ids()).toEqual(range(1, 7));
  });
});

describe('a log channel', () => {
  it('gives a late reader every kept event in order, then what is live, then the end', async () => {
    const channel = logChannel();
    publishMany(channel, ['keep', 'keep', 'keep']);
    const sink = attach(channel);
    expect(sink.text()).toMatch(/^retry: 3000\n\n/);
    expect(sink.ids()).toEqual(range(1, 3));
    publishMany(channel, ['keep', 'terminal']);
    await turns();
    expect(sink.ids()).toEqual(range(1, 5));
    expect(sink.state).toBe('ended');
  });

  it('gives what came after the Last-Event-ID, and everything where that is not its own', () => {
    const channel = logChannel();
    publishMany(channel, ['keep', 'keep', 'keep']);
    expect(attach(channel, 'e.2').ids()).toEqual(['e.3']);
    expect(attach(channel, 'e.3').ids()).toEqual([]);
    for (const id of [null, 'other.2', 'nonsense', 'e.4']) expect(attach(channel, id).ids()).toEqual(range(1, 3));
  });

  it('gives a reader after the end what it misses, and 204 when that is nothing', () => {
    const channel = logChannel();
    publishMany(channel, ['keep', 'keep', 'terminal']);
    const sink = attach(channel, 'e.1');
    expect(sink.ids()).toEqual(['e.2', 'e.3']);
    expect(sink.state).toBe('ended');
    expect(channel.accepts('e.3')).toBe('no_content');
    expect(attach(channel).ids()).toEqual(range(1, 3));
  });

  it('announces a gap, with an id that fits in', () => {
    const channel = logChannel(3);
    publishMany(
      channel,
      Array.from({ length: 10 }, () => 'keep' as const),
    );
    const fresh = attach(channel);
    expect(fresh.events()[0]).toEqual({ event: 'gap', data: '7', id: 'e.7' });
    expect(fresh.ids()).toEqual(range(7, 10));
    expect(attach(channel, 'e.4').events()[0]).toEqual({ event: 'gap', data: '3', id: 'e.7' });
    expect(attach(channel, 'e.7').ids()).toEqual(range(8, 10));
  });

  it('continues where a lagging reader stopped', async () => {
    const channel = logChannel();
    const slow = attach(channel);
    slow.fill();
    for (let round = 0; round < 5; round += 1) {
      publishMany(channel, ['keep', 'keep']);
      await turns();
    }
    expect(slow.ids()).toEqual(range(1, 2));
    slow.drain();
    expect(slow.ids()).toEqual(range(1, 10));
  });

  it('sends a gap event to a lagging reader when the history moved past it', async () => {
    const channel = logChannel(4);
    const slow = attach(channel);
    slow.fill();
    publishMany(channel, ['keep']);
    await turns();
    publishMany(
      channel,
      Array.from({ length: 9 }, () => 'keep' as const),
    );
    slow.drain();
    expect(slow.events()[1]).toEqual({ event: 'gap', data: '5', id: 'e.6' });
    expect(slow.ids()).toEqual(['e.1', ...range(6, 10)]);
  });

  it('loses nothing in a burst larger than its history for a reader that keeps up', async () => {
    const channel = logChannel(10);
    const sink = attach(channel);
    publishMany(
      channel,
      Array.from({ length: 2_000 }, () => 'keep' as const),
    );
    await turns();
    expect(sink.ids()).toEqual(range(1, 2_000));
  });

  it('knows no states', () => {
    expect(() => publishMany(logChannel(), ['state'])).toThrow('no state events');
  });
});

describe('fan-out', () => {
  it('reads an event once and shares one Buffer between all readers', async () => {
    const channel = stateChannel();
    const sinks = Array.from({ length: 300 }, () => attach(channel));
    let reads = 0;
    const event = {
      event: 'progress',
      get data() {
        reads += 1;
        return '{"bytes":1}';
      },
    };
    channel.publish(event, 'state');
    await waitFor(() => sinks.every((sink) => sink.frames.length === 2), 'the event at all readers');
    expect(reads).toBe(1);
    const shared = sinks[0]?.frames[1];
    for (const sink of sinks) expect(sink.frames[1]).toBe(shared);
  });

  it('joins the events of one turn into one Buffer for all readers', async () => {
    const channel = stateChannel();
    const sinks = Array.from({ length: 300 }, () => attach(channel));
    publishMany(channel, ['state', 'keep', 'state']);
    await waitFor(() => sinks.every((sink) => sink.frames.length === 2), 'the events at all readers');
    const shared = sinks[0]?.frames[1];
    for (const sink of sinks) {
      expect(sink.frames[1]).toBe(shared);
      expect(sink.ids()).toEqual(range(1, 3));
    }
  });

  it('serves no more than a slice of readers in one turn', async () => {
    const channel = createStreamHub({ sliceSize: 10 }).channel({ mode: 'state', epoch: 'e' });
    const sinks = Array.from({ length: 95 }, () => attach(channel));
    publishMany(channel, ['state']);
    const served = () => sinks.filter((sink) => sink.frames.length > 1).length;
    const perTurn: number[] = [];
    for (let before = 0; before < 95; before = served()) {
      await turns();
      perTurn.push(served() - before);
    }
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(10);
  });

  it('gives all of them to all readers in order when events come during a pass', async () => {
    const channel = createStreamHub({ sliceSize: 7 }).channel({ mode: 'state', epoch: 'e' });
    const sinks = Array.from({ length: 50 }, () => attach(channel));
    for (let round = 0; round < 40; round += 1) {
      publishMany(channel, ['state', 'keep']);
      await turns();
    }
    await waitFor(() => sinks.every((sink) => sink.ids().length === 80), 'all events at all readers');
    for (const sink of sinks) expect(sink.ids()).toEqual(range(1, 80));
  });

  it('writes once to each reader in a pass, whatever is published meanwhile', async () => {
    const channel = createStreamHub({ sliceSize: 10 }).channel({ mode: 'state', epoch: 'e' });
    const sinks = Array.from({ length: 45 }, () => attach(channel));
    for (let turn = 0; turn < 5; turn += 1) {
      publishMany(channel, ['state', 'keep']);
      await turns();
    }
    await waitFor(() => sinks.every((sink) => sink.ids().at(-1) === 'e.10'), 'all events at all readers');
    // The greeting, the pass that began with the first events, and the one for those that came during it.
    for (const sink of sinks) expect(sink.frames).toHaveLength(3);
  });

  it('lets channels take turns', async () => {
    const streamHub = createStreamHub({ sliceSize: 4 });
    const [large, small] = [streamHub.channel({ mode: 'state' }), streamHub.channel({ mode: 'state' })];
    const many = Array.from({ length: 40 }, () => attach(large));
    const one = attach(small);
    publishMany(large, ['state']);
    publishMany(small, ['state']);
    for (let left = 9; left > 0 && one.frames.length < 2; left -= 1) await turns();
    expect(one.frames.length).toBe(2);
    expect(many.filter((sink) => sink.frames.length > 1).length).toBeLessThan(40);
    await waitFor(() => many.every((sink) => sink.frames.length === 2), 'the event of the large channel');
  });

  it('keeps the rules whatever readers and publishers do', async () => {
    const action = fc.oneof(
      fc.record({ do: fc.constant('publish' as const), kind: fc.constantFrom<EventKind>('state', 'keep') }),
      fc.record({ do: fc.constantFrom('fill' as const, 'drain' as const, 'leave' as const), who: fc.nat(5) }),
      fc.record({ do: fc.constantFrom('attach' as const, 'turn' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const streamHub = createStreamHub({ sliceSize: 2 });
        const channel = streamHub.channel({ mode: 'state', epoch: 'e' });
        const sinks: MemorySink[] = [];
        const keeps: number[] = [];
        const cursors = new Map<MemorySink, number>();
        const gone = new Set<MemorySink>();
        let published = 0;
        for (const step of actions) {
          const sink = 'who' in step ? sinks[step.who] : undefined;
          if (step.do === 'publish') {
            channel.publish({ data: 'x' }, step.kind);
            published += 1;
            if (step.kind === 'keep') keeps.push(published);
          } else if (step.do === 'attach') {
            const added = attach(channel);
            sinks.push(added);
            cursors.set(added, published);
          } else if (step.do === 'turn') await turns();
          else if (sink !== undefined && step.do === 'fill') sink.fill();
          else if (sink !== undefined && step.do === 'drain' && !gone.has(sink)) sink.drain();
          else if (sink !== undefined && step.do === 'leave') {
            gone.add(sink);
            sink.close();
          }
        }
        channel.publish({ data: 'the end' }, 'terminal');
        const stayed = sinks.filter((sink) => !gone.has(sink));
        await waitFor(() => {
          for (const sink of stayed) if (sink.isFull) sink.drain();
          return streamHub.readers === 0;
        }, 'the end of all streams');
        for (const sink of sinks) {
          const sequences = sink.ids().map((id) => Number(id.slice(2)));
          expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
        }
        for (const sink of stayed) {
          const sequences = sink.ids().map((id) => Number(id.slice(2)));
          expect(sequences.at(-1)).toBe(published + 1);
          const cursor = cursors.get(sink) ?? 0;
          expect(sequences).toEqual(expect.arrayContaining(keeps.filter((keep) => keep > cursor)));
        }
      }),
      { numRuns: 100 },
    );
  });
});

import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import type { Channel } from '../../src/publish/channel.ts';
import { createStreamHub } from '../../src/publish/stream-hub.ts';
import type { FloodAnswer, FloodQuestion } from '../support/flood-server.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { createMemorySink } from '../support/memory-sink.ts';
import { parseEvents } from '../support/parse-events.ts';
import { openRawClient, type RawClient } from '../support/raw-client.ts';
import { type Handler, type StreamServer, serveChannel, startServer } from '../support/stream-server.ts';
import { turns, waitFor } from '../support/wait-for.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(handler: Handler): Promise<StreamServer> {
  const server = await startServer(handler);
  cleanups.push(server.close);
  return server;
}

async function openStream(server: StreamServer, headers: Record<string, string> = {}): Promise<RawClient> {
  const client = await openRawClient(server.port);
  cleanups.push(() => client.socket.destroy());
  client.request({ headers });
  return client;
}

function connectTo(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  return once(socket, 'connect').then(() => socket);
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

const commentsOf = (text: string) => parseEvents(text).comments.length;

describe('keep-alive', () => {
  it('sends a comment to readers that waited nearly that long, and to no others', async () => {
    const clock = createManualClock();
    const channel = createStreamHub({ clock }).channel({ mode: 'state' });
    const [idle, busy] = [createMemorySink(), createMemorySink()];
    channel.attach(idle, null);
    const busyChannel = createStreamHub({ clock }).channel({ mode: 'state' });
    busyChannel.attach(busy, null);
    for (let second = 0; second < 60; second += 1) {
      busyChannel.publish({ data: 'x' }, 'state');
      clock.advance(1_000);
      await turns(2);
    }
    expect(commentsOf(idle.text())).toBe(4);
    expect(commentsOf(busy.text())).toBe(0);
    expect(busy.events()).toHaveLength(60);
  });

  it('never leaves a reader without a byte for 15 s', async () => {
    const clock = createManualClock();
    const channel = createStreamHub({ clock }).channel({ mode: 'state' });
    const sink = createMemorySink();
    channel.attach(sink, null);
    let lastWriteMs = 0;
    for (let frames = 1; clock.now() < 120_000; ) {
      clock.advance(100);
      await turns(2);
      if (sink.frames.length > frames) lastWriteMs = clock.now();
      frames = sink.frames.length;
      expect(clock.now() - lastWriteMs).toBeLessThanOrEqual(15_000);
    }
  });

  it('is seen on the wire', async () => {
    const channel = createStreamHub({ keepAliveMs: 80 }).channel({ mode: 'state' });
    const client = await openStream(await serve(serveChannel(channel)));
    await waitFor(() => commentsOf(client.responses()[0]?.body ?? '') >= 3, 'three comments');
    expect(client.responses()[0]?.body).toMatch(/^retry: 3000\n\n(: keep-alive\n\n)+$/);
  });

  it('needs one timer for all readers and none without readers', () => {
    const clock = createManualClock();
    const streamHub = createStreamHub({ clock });
    const sinks = Array.from({ length: 50 }, () => createMemorySink());
    expect(clock.timers).toBe(0);
    for (const sink of sinks) streamHub.channel({ mode: 'state' }).attach(sink, null);
    expect(clock.timers).toBe(1);
    for (const sink of sinks) sink.close();
    expect(clock.timers).toBe(0);
    expect(streamHub.readers).toBe(0);
  });
});

describe('limits', () => {
  it('closes a reader that takes nothing for the lag limit, and not before', async () => {
    const clock = createManualClock();
    const streamHub = createStreamHub({ clock });
    const channel = streamHub.channel({ mode: 'state' });
    const [slow, fast] = [createMemorySink(), createMemorySink()];
    for (const sink of [slow, fast]) channel.attach(sink, null);
    slow.fill();
    channel.publish({ data: 'x' }, 'state');
    await turns();
    clock.advance(29_900);
    expect(slow.state).toBe('open');
    clock.advance(2_100);
    expect(slow.state).toBe('destroyed');
    expect(fast.state).toBe('open');
    expect(streamHub.readers).toBe(1);
    // Two greetings, and the event to each.
    expect(streamHub.counts).toEqual({ writes: 4, skips: 0, skippedEvents: 0, closedStalled: 1 });
  });

  it('gives a reader that drained in time a new limit', async () => {
    const clock = createManualClock();
    const channel = createStreamHub({ clock }).channel({ mode: 'state' });
    const slow = createMemorySink();
    channel.attach(slow, null);
    for (let round = 0; round < 3; round += 1) {
      slow.fill();
      channel.publish({ data: 'x' }, 'state');
      await turns();
      clock.advance(20_000);
      slow.drain();
    }
    expect(slow.state).toBe('open');
  });

  it('closes a reader that never takes the end of its stream', async () => {
    const clock = createManualClock();
    const streamHub = createStreamHub({ clock });
    const channel = streamHub.channel({ mode: 'state' });
    const sink = createMemorySink({ closesAtEnd: false });
    channel.attach(sink, null);
    channel.publish({ data: 'x' }, 'terminal');
    await turns();
    expect(sink.state).toBe('ended');
    clock.advance(32_000);
    expect(sink.state).toBe('destroyed');
    expect(streamHub.readers).toBe(0);
  });

  it('refuses readers beyond its limit, and accepts one when another has left', () => {
    const streamHub = createStreamHub({ maxReaders: 2 });
    const channel = streamHub.channel({ mode: 'state' });
    const sinks = [createMemorySink(), createMemorySink(), createMemorySink()];
    expect(sinks.map((sink) => channel.attach(sink, null))).toEqual(['attached', 'attached', 'refused']);
    expect(streamHub.stateFor(null)).toBe('full');
    expect(sinks[2]?.frames).toEqual([]);
    sinks[0]?.close();
    expect(streamHub.stateFor(null)).toBe('open');
    expect(channel.attach(createMemorySink(), null)).toBe('attached');
  });
});

describe('limits for an address', () => {
  it('refuse its next reader, and no other, until one of its readers has left', () => {
    const streamHub = createStreamHub({ maxReadersPerAddress: 2 });
    const [one, two] = [streamHub.channel({ mode: 'state' }), streamHub.channel({ mode: 'state' })];
    const sinks = Array.from({ length: 6 }, () => createMemorySink());
    const attach = (index: number, channel: Channel, address: string | null) =>
      channel.attach(sinks[index] ?? createMemorySink(), null, address);
    expect([attach(0, one, 'a'), attach(1, two, 'a'), attach(2, one, 'a')]).toEqual([
      'attached',
      'attached',
      'refused',
    ]);
    expect(streamHub.stateFor('a')).toBe('crowded');
    expect([attach(3, one, 'b'), attach(4, one, null), attach(5, one, null)]).toEqual(Array(3).fill('attached'));
    expect([streamHub.stateFor('b'), streamHub.stateFor(null)]).toEqual(['open', 'open']);
    sinks[0]?.close();
    expect(streamHub.stateFor('a')).toBe('open');
    expect(attach(2, one, 'a')).toBe('attached');
  });
});

describe('readers that leave', () => {
  it('leave no reader, channel, timer or socket behind after 10,000 connections and resets', async () => {
    const clock = createManualClock();
    const streamHub = createStreamHub({ clock });
    const channels: WeakRef<Channel>[] = [];
    let channel: Channel | null = null;
    const server = await serve((request, response, count) => {
      if (channel !== null) serveChannel(channel)(request, response, count);
    });
    for (let round = 0; round < 100; round += 1) {
      channel = streamHub.channel({ mode: 'state' });
      channels.push(new WeakRef(channel));
      channel.publish({ data: 'x' }, 'state');
      const sockets = await Promise.all(Array.from({ length: 100 }, () => connectTo(server.port)));
      for (const [index, socket] of sockets.entries()) {
        socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
        // A third leaves before its request is read, a third while it is answered, a third as a reader.
        if (index % 3 === 0) socket.resetAndDestroy();
        else socket.once('data', () => (index % 3 === 1 ? socket.resetAndDestroy() : socket.emit('served')));
      }
      await Promise.all(sockets.filter((_, index) => index % 3 === 2).map((socket) => once(socket, 'served')));
      channel.publish({ data: 'y' }, 'state');
      for (const socket of sockets) socket.resetAndDestroy();
      await waitFor(() => server.sockets.length === 0 && streamHub.readers === 0, 'all sockets and readers gone');
      server.forget();
    }
    channel = null;
    expect(clock.timers).toBe(0);
    await waitFor(() => {
      collectGarbage();
      return channels.every((reference) => reference.deref() === undefined);
    }, 'all channels collected');
  }, 120_000);

  it('may have left before they are attached', async () => {
    const streamHub = createStreamHub();
    const channel = streamHub.channel({ mode: 'state' });
    const gone = createMemorySink();
    gone.onClose = (listener) => listener();
    expect(channel.attach(gone, null)).toBe('attached');
    expect(streamHub.readers).toBe(0);
    expect(gone.frames).toEqual([]);
  });
});

describe('a reader that never reads', () => {
  it('delays no other, holds no more than one write, and gets the newest state when it reads again', async () => {
    const streamHub = createStreamHub();
    const channel = streamHub.channel({ mode: 'state', epoch: 'e' });
    const answers: boolean[] = [];
    const server = await serve((request, response, count) =>
      serveChannel(channel, count === 1 ? (hasRoom) => answers.push(hasRoom) : undefined)(request, response, count),
    );
    const slow = await openStream(server);
    await slow.waitForText('retry');
    slow.socket.pause();
    const fast = await openStream(server);
    await fast.waitForText('retry');
    const data = 'x'.repeat(60_000);
    let total = 0;
    for (let stalledAt = 0; stalledAt === 0 || total < stalledAt + 60; ) {
      total += 1;
      const id = channel.publish({ data }, total % 10 === 0 ? 'keep' : 'state');
      await fast.waitForText(`id: ${id}\n`);
      if (stalledAt === 0 && answers.at(-1) === false) stalledAt = total;
      expect(total).toBeLessThan(2_000);
    }
    expect(fast.ids()).toEqual(Array.from({ length: total }, (_, index) => `e.${index + 1}`));
    // The frame that the kernel had no room for is the last that was written.
    expect(answers.indexOf(false)).toBe(answers.length - 1);

    slow.socket.resume();
    await waitFor(() => slow.ids().at(-1) === `e.${total}`, 'the newest state at the slow reader');
    const sequences = slow.ids().map((id) => Number(id.slice(2)));
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
    expect(sequences.length).toBeLessThan(total - 20);
    expect(streamHub.counts.skippedEvents).toBe(total - sequences.length);
    expect(streamHub.counts.skips).toBeGreaterThan(0);
    const keeps = Array.from({ length: Math.floor(total / 10) }, (_, index) => (index + 1) * 10);
    expect(sequences).toEqual(expect.arrayContaining(keeps));
  });

  it('costs little: a hundred cost 25 MB at most, and the others get every event', async () => {
    const server = fork(new URL('../support/flood-server.ts', import.meta.url), { execArgv: ['--expose-gc'] });
    cleanups.push(() => server.kill('SIGKILL'));
    const ask = async (question: FloodQuestion): Promise<FloodAnswer> => {
      const answered = once(server, 'message');
      server.send(question);
      return (await answered)[0] as FloodAnswer;
    };
    const { port } = ((await once(server, 'message')) as [FloodAnswer])[0];
    const open = async () => {
      const client = await openRawClient(port);
      cleanups.push(() => client.socket.destroy());
      client.request();
      await client.waitForText('retry');
      return client;
    };
    const slow = await Promise.all(Array.from({ length: 100 }, open));
    for (const client of slow) client.socket.pause();
    const fast = await Promise.all(Array.from({ length: 3 }, open));
    const before = await ask({ events: 0, collect: true });
    for (let count = 3; count <= 600; count += 3) {
      await ask({ events: 3 });
      // A reader that has read the last event keeps up, however busy the machine is.
      await Promise.all(fast.map((client) => client.waitForText(`id: e.${count}\n`)));
    }
    const after = await ask({ events: 0, collect: true });
    for (const client of fast)
      expect(client.ids()).toEqual(Array.from({ length: 600 }, (_, index) => `e.${index + 1}`));
    expect(after.slow).toBe(100);
    expect((after.rssBytes - before.rssBytes) / 1e6).toBeLessThanOrEqual(25);
  }, 120_000);

  it('is closed at the socket after the lag limit', async () => {
    const streamHub = createStreamHub({ lagLimitMs: 60 });
    const channel = streamHub.channel({ mode: 'state' });
    const server = await serve(serveChannel(channel));
    const slow = await openStream(server);
    await slow.waitForText('retry');
    slow.socket.pause();
    const data = 'x'.repeat(60_000);
    await waitFor(() => {
      if (streamHub.readers > 0) channel.publish({ data }, 'state');
      return streamHub.readers === 0;
    }, 'the slow reader closed');
    await waitFor(() => server.sockets.length === 0, 'its socket closed');
  });
});

describe('closing the hub', () => {
  it('ends a thousand streams together, each with its own retry delay between 1 and 5 s', async () => {
    // Its clock stands still: no reader is too slow for it, however busy the machine is.
    const streamHub = createStreamHub({ clock: createManualClock() });
    const channel = streamHub.channel({ mode: 'state' });
    const server = await serve(serveChannel(channel));
    const clients = await Promise.all(Array.from({ length: 1_000 }, () => openStream(server)));
    await waitFor(() => streamHub.readers === 1_000, 'a thousand readers');
    channel.publish({ data: 'last words' }, 'state');
    await streamHub.close();
    expect(streamHub.readers).toBe(0);
    await waitFor(
      () => clients.every((client) => client.responses()[0]?.isComplete === true),
      'all streams ended cleanly',
    );
    const farewells = clients.map((client) => parseEvents(client.responses()[0]?.body ?? ''));
    expect(farewells.every((stream) => stream.events[0]?.data === 'last words')).toBe(true);
    const retries = farewells.map((stream) => stream.retries.at(-1) ?? 0);
    expect(Math.min(...retries)).toBeGreaterThanOrEqual(1_000);
    expect(Math.max(...retries)).toBeLessThanOrEqual(5_000);
    expect(new Set(retries).size).toBeGreaterThan(500);
  });

  it('delivers events that were published before, including the terminal one', async () => {
    const streamHub = createStreamHub();
    const channel = streamHub.channel({ mode: 'state', epoch: 'e' });
    const sink = createMemorySink();
    channel.attach(sink, null);
    channel.publish({ data: 'x' }, 'state');
    channel.publish({ data: 'y' }, 'terminal');
    await streamHub.close();
    expect(sink.ids()).toEqual(['e.1', 'e.2']);
    expect(sink.state).toBe('ended');
  });

  it('refuses readers from then on and can be called twice', async () => {
    const streamHub = createStreamHub();
    const channel = streamHub.channel({ mode: 'state' });
    const closing = streamHub.close();
    expect(streamHub.close()).toBe(closing);
    const sink = createMemorySink();
    expect(channel.attach(sink, null)).toBe('refused');
    expect(streamHub.stateFor(null)).toBe('closed');
    await closing;
    expect(sink.frames).toEqual([]);
    expect(channel.publish({ data: 'x' }, 'state')).toMatch(/\.1$/);
  });

  it('does not wait for a reader that does not read', async () => {
    const clock = createManualClock();
    const streamHub = createStreamHub({ clock });
    const channel = streamHub.channel({ mode: 'state' });
    const slow = createMemorySink();
    channel.attach(slow, null);
    slow.fill();
    channel.publish({ data: 'x' }, 'state');
    await turns();
    const closing = streamHub.close();
    await turns(2);
    expect(slow.state).toBe('ended');
    clock.advance(1_000);
    expect(slow.state).toBe('destroyed');
    await closing;
    expect(clock.timers).toBe(0);
  });
});

describe('the process', () => {
  it('is not kept alive by a hub with readers', async () => {
    const program = `
      import { createStreamHub } from ${JSON.stringify(import.meta.resolve('../../src/index.ts'))};
      const channel = createStreamHub().channel({ mode: 'state' });
      const sink = { write: () => false, end() {}, destroy() {}, onDrain() {}, onClose() {} };
      channel.attach(sink, null);
      channel.publish({ data: 'x' }, 'state');
      process.on('exit', () => console.log('left by itself'));
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
      timeout: 15_000,
    });
    expect(stdout).toBe('left by itself\n');
  });
});

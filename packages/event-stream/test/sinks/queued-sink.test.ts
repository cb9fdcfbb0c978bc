import { readFile } from 'node:fs/promises';
import { findCommand, makeCertificate, tempDir } from '@rbee/testing';
import { Agent } from 'undici';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { follow } from '../../src/follow/follow.ts';
import { encodeFrame } from '../../src/frame.ts';
import { createStreamHub } from '../../src/publish/stream-hub.ts';
import { createResponseSink, SSE_HEADERS } from '../../src/sinks/response-sink.ts';
import { expectWholeBehindBacklog } from '../support/backlog.ts';
import { openRawClient } from '../support/raw-client.ts';
import {
  type Handler,
  type ServerIdentity,
  type StreamServer,
  serveChannel,
  startServer,
} from '../support/stream-server.ts';
import { turns, waitFor } from '../support/wait-for.ts';

/*
 * Goal: streams over TLS promise what they promise without. Method: real TLS on loopback, and a client that takes HTTP/1.1 framing
 * apart. A TLS socket never takes bytes immediately, and a second write to its lower half during another ends the process.
 */
const isMissing = findCommand('openssl') === null && process.env['CI'] !== 'true';

let identity: ServerIdentity;
beforeAll(async () => {
  if (isMissing) return;
  const folder = await tempDir();
  const { certificateFile, keyFile } = await makeCertificate(folder.path);
  identity = { cert: await readFile(certificateFile, 'utf8'), key: await readFile(keyFile, 'utf8') };
  await folder.remove();
});

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(handler: Handler): Promise<StreamServer> {
  const server = await startServer(handler, identity);
  cleanups.push(server.close);
  return server;
}

async function rawClient(server: StreamServer) {
  const client = await openRawClient(server.port, identity.cert);
  cleanups.push(() => client.socket.destroy());
  return client;
}

function stateChannel(options: Parameters<typeof createStreamHub>[0] = {}) {
  const streamHub = createStreamHub(options);
  return { streamHub, channel: streamHub.channel({ mode: 'state', epoch: 'e' }) };
}

describe.skipIf(isMissing)('a stream over TLS', () => {
  it('brings a reader that keeps up every event of a burst, in a turn and over turns, and the end', async () => {
    const { streamHub, channel } = stateChannel();
    const server = await serve(serveChannel(channel));
    const client = await rawClient(server);
    client.request();
    await client.waitForText('retry');
    for (let count = 1; count <= 60; count += 1) {
      channel.publish({ data: `${count}`.padEnd(200, 'x') }, 'state');
      if (count % 3 === 0) await turns();
    }
    channel.publish({ data: 'the end' }, 'terminal');
    await waitFor(() => client.responses()[0]?.isComplete === true, 'the end of the stream');
    expect(client.ids()).toEqual(Array.from({ length: 61 }, (_, index) => `e.${index + 1}`));
    expect(streamHub.readers).toBe(0);
  });

  it('does not take a large event for a slow reader', async () => {
    const large = encodeFrame({ id: 'e.1', data: 'x'.repeat(200_000) });
    const answers: boolean[] = [];
    const server = await serve((_request, response) => {
      response.writeHead(200, SSE_HEADERS);
      answers.push(createResponseSink(response).write(large));
    });
    const client = await rawClient(server);
    client.request();
    await waitFor(() => client.ids().length === 1, 'the event');
    expect(large.plain.length).toBeGreaterThan(server.sockets[0]?.writableHighWaterMark ?? 0);
    expect(answers).toEqual([true]);
  });

  it('ends behind all that waits, with every byte in its place', () => expectWholeBehindBacklog(serve, rawClient));

  it('keeps little for a slow reader, skips it to the newest state, and continues once it reads', async () => {
    const { streamHub, channel } = stateChannel();
    let isBlocked = false;
    let waited = 0;
    const server = await serve(
      serveChannel(channel, (hasRoom) => {
        isBlocked = !hasRoom;
        waited = Math.max(waited, server.sockets[0]?.writableLength ?? 0);
      }),
    );
    const client = await rawClient(server);
    client.request();
    await client.waitForText('retry');
    client.socket.pause();
    const data = 'x'.repeat(20_000);
    let published = 0;
    const publish = () => {
      published += 1;
      channel.publish({ data }, 'state');
    };
    await waitFor(() => {
      publish();
      return isBlocked;
    }, 'a backlog');
    for (let more = 0; more < 100; more += 1) publish();
    await turns(10);
    expect(streamHub.readers).toBe(1);
    expect(waited).toBeLessThan((server.sockets[0]?.writableHighWaterMark ?? 0) + 3 * data.length);
    client.socket.resume();
    await waitFor(() => client.ids().at(-1) === `e.${published}`, 'the newest state');
    expect(client.ids().length).toBeLessThan(published);
    publish();
    await waitFor(() => client.ids().at(-1) === `e.${published}`, 'what comes after it');
  });

  it('serves the next request on the same connection, and leaves no listeners there', async () => {
    const { channel } = stateChannel();
    channel.publish({ data: 'y'.repeat(100_000) }, 'terminal');
    const server = await serve(serveChannel(channel));
    const client = await rawClient(server);
    const counts: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      client.request();
      await waitFor(() => client.responses()[round]?.isComplete === true, 'the end of the stream');
      const socket = server.sockets[0];
      counts.push((socket?.listenerCount('drain') ?? 0) + (socket?.listenerCount('close') ?? 0));
    }
    expect(new Set(counts).size).toBe(1);
    expect(server.sockets).toHaveLength(1);
  });

  it.each(['end', 'destroy'] as const)('is over when the client leaves by %s, whatever waits for it', async (leave) => {
    const { streamHub, channel } = stateChannel({ lagLimitMs: 200 });
    let isBlocked = false;
    const server = await serve(
      serveChannel(channel, (hasRoom) => {
        isBlocked = !hasRoom;
      }),
    );
    const client = await rawClient(server);
    client.request();
    await client.waitForText('retry');
    client.socket.pause();
    await waitFor(() => {
      channel.publish({ data: 'x'.repeat(20_000) }, 'state');
      return isBlocked;
    }, 'a backlog');
    client.socket[leave]();
    await waitFor(() => streamHub.readers === 0, 'the reader gone');
    channel.publish({ data: 'x' }, 'state');
    await turns(2);
  });

  it('ends for all its readers when the hub closes', async () => {
    const { streamHub, channel } = stateChannel();
    const server = await serve(serveChannel(channel));
    const clients = await Promise.all(Array.from({ length: 20 }, () => rawClient(server)));
    for (const client of clients) client.request();
    await waitFor(() => streamHub.readers === clients.length, 'all readers');
    channel.publish({ data: 'x' }, 'state');
    await streamHub.close();
    await waitFor(() => clients.every((client) => client.responses()[0]?.isComplete), 'the end of all streams');
    for (const client of clients) expect(client.ids()).toEqual(['e.1']);
  });

  it('is not followed to where it is plain', async () => {
    const plain = await startServer((_request, response) => void response.writeHead(200, SSE_HEADERS).end());
    cleanups.push(plain.close);
    const server = await serve((_request, response) => void response.writeHead(302, { location: plain.url }).end());
    const dispatcher = new Agent({ connect: { ca: identity.cert }, allowH2: false });
    cleanups.push(() => dispatcher.destroy());
    const signal = AbortSignal.timeout(15_000);
    const followed = follow({ url: server.url, events: [], signal, dispatcher, isTerminal: () => true, onEvent() {} });
    await expect(followed).rejects.toMatchObject({ name: 'FollowError', status: 302 });
    expect(plain.requests).toEqual([]);
  });

  it('is followed to its end by a client that trusts the certificate, and by no other', async () => {
    const { streamHub, channel } = stateChannel();
    const server = await serve(serveChannel(channel));
    const options = { url: server.url, events: [], signal: AbortSignal.timeout(15_000), onEvent() {} };
    const asked = follow({ ...options, maxAttempts: 1, isTerminal: () => true });
    await expect(asked).rejects.toThrow(/DEPTH_ZERO_SELF_SIGNED_CERT/);
    const dispatcher = new Agent({ connect: { ca: identity.cert }, allowH2: false });
    cleanups.push(() => dispatcher.destroy());
    const seen: string[] = [];
    const followed = follow({
      ...options,
      dispatcher,
      isTerminal: ({ data }) => data === 'the end',
      onEvent: ({ data }) => void seen.push(data),
    });
    await waitFor(() => streamHub.readers === 1, 'the reader');
    channel.publish({ data: 'first' }, 'state');
    channel.publish({ data: 'the end' }, 'terminal');
    await expect(followed).resolves.toEqual({ reason: 'terminal' });
    expect(seen).toEqual(['first', 'the end']);
    expect(server.requests).toHaveLength(1);
  });
});

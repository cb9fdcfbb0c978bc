import fs from 'node:fs';
import { get, Agent as HttpAgent } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server, type Http2ServerRequest } from 'node:http2';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo, Socket } from 'node:net';
import { Agent, fetch, request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeFrame } from '../../src/frame.ts';
import { createStreamHub } from '../../src/publish/stream-hub.ts';
import { createResponseSink, SSE_HEADERS } from '../../src/sinks/response-sink.ts';
import { socketDescriptor } from '../../src/sinks/socket-descriptor.ts';
import { expectWholeBehindBacklog, largeFrame } from '../support/backlog.ts';
import { parseEvents } from '../support/parse-events.ts';
import { openRawClient } from '../support/raw-client.ts';
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

async function rawClient(server: StreamServer) {
  const client = await openRawClient(server.port);
  cleanups.push(() => client.socket.destroy());
  return client;
}

function stateChannel() {
  const streamHub = createStreamHub();
  return { streamHub, channel: streamHub.channel({ mode: 'state', epoch: 'e' }) };
}

describe('a response sink on HTTP/1.1', () => {
  it('ends a stream so that the same connection serves the next request', async () => {
    const { streamHub, channel } = stateChannel();
    const server = await serve((request, response, count) => {
      if (request.url === '/' && count === 2) response.end('plain');
      else serveChannel(channel)(request, response, count);
    });
    const client = await rawClient(server);
    client.request();
    await client.waitForText('retry');
    channel.publish({ data: 'x' }, 'state');
    await client.waitForText('id: e.1');
    channel.publish({ data: 'y' }, 'terminal');
    await waitFor(() => client.responses()[0]?.isComplete === true, 'the last chunk');
    expect(streamHub.readers).toBe(0);
    client.request();
    await client.waitForText('plain');
    client.request();
    await waitFor(() => client.responses()[2]?.isComplete === true, 'the stream again');
    const [first, second, third] = client.responses();
    expect(parseEvents(first?.body ?? '').events.map((event) => event.id)).toEqual(['e.1', 'e.2']);
    expect(second?.head).toContain('200 OK');
    expect(parseEvents(third?.body ?? '').events.map((event) => event.id)).toEqual(['e.2']);
    expect(client.isClosed).toBe(false);
    expect(server.sockets).toHaveLength(1);
  });

  it('leaves no listeners on a connection that is used again', async () => {
    const { channel } = stateChannel();
    channel.publish({ data: 'y' }, 'terminal');
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
  });

  it('has the headers of an event stream, whichever side sends them', async () => {
    const { channel } = stateChannel();
    channel.publish({ data: 'y' }, 'terminal');
    const ways: Handler = (_request, response, count) => {
      if (count === 1) response.writeHead(200, SSE_HEADERS);
      if (count === 2) response.writeHead(200, SSE_HEADERS).flushHeaders();
      if (count === 3) for (const [name, value] of Object.entries(SSE_HEADERS)) response.setHeader(name, value);
      channel.attach(createResponseSink(response), null);
    };
    const client = await rawClient(await serve(ways));
    for (let count = 0; count < 3; count += 1) {
      client.request();
      await waitFor(() => client.responses()[count]?.isComplete === true, 'the end of the stream');
      const { head, body } = client.responses()[count] ?? { head: '', body: '' };
      expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      for (const [name, value] of Object.entries(SSE_HEADERS)) expect(head).toContain(`${name}: ${value}`);
      expect(body).toBe('retry: 3000\n\nid: e.1\ndata: y\n\n');
    }
  });

  it('sends the headers before there is an event', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, SSE_HEADERS);
      createResponseSink(response);
    });
    const client = await rawClient(server);
    client.request();
    await client.waitForText('\r\n\r\n');
    expect(client.responses()[0]).toMatchObject({ body: '', isComplete: false });
  });

  it('writes one event as one chunk', async () => {
    const { channel } = stateChannel();
    const client = await rawClient(await serve(serveChannel(channel)));
    client.request();
    await client.waitForText('retry');
    channel.publish({ event: 'progress', data: '{}' }, 'state');
    await client.waitForText('data: {}');
    expect(client.bytes.toString()).toMatch(/\r\n22\r\nevent: progress\nid: e\.1\ndata: \{\}\n\n\r\n$/);
  });

  it('hands the same Buffer to every socket, once for each event', async () => {
    const { streamHub, channel } = stateChannel();
    const server = await serve(serveChannel(channel));
    const clients = await Promise.all(Array.from({ length: 200 }, () => rawClient(server)));
    for (const client of clients) client.request();
    await waitFor(() => streamHub.readers === 200, 'all readers');
    const writes = listenToWrites();
    for (let count = 1; count <= 3; count += 1) {
      channel.publish({ event: 'progress', data: `{"bytes":${count}}` }, 'state');
      await waitFor(() => clients.every((client) => client.ids().length === count), 'the event at all readers');
    }
    expect(writes.size).toBe(200);
    const [first = [], ...others] = [...writes.values()];
    expect(first).toHaveLength(3);
    for (const other of others) {
      expect(other).toHaveLength(3);
      for (const [index, chunk] of other.entries()) expect(chunk).toBe(first[index]);
    }
  });

  it('does not take a large event for a slow reader when the kernel takes all of it', async () => {
    const large = encodeFrame({ id: 'e.1', data: 'x'.repeat(66_000) });
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

  it('ends after a write that the kernel has not taken whole, with every byte in its place', () =>
    expectWholeBehindBacklog(serve, rawClient));

  it('stops writing when the client leaves, also when it only closes its half', async () => {
    const { streamHub, channel } = stateChannel();
    const server = await serve(serveChannel(channel));
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
      const client = await rawClient(server);
      client.request();
      await client.waitForText('retry');
      expect(streamHub.readers).toBe(1);
      client.socket[leave]();
      await waitFor(() => streamHub.readers === 0, `the reader gone after ${leave}`);
      channel.publish({ data: 'x' }, 'state');
      await turns(2);
    }
  });

  it('writes nothing into a connection that the client has half closed, whatever is still waiting there', async () => {
    const streamHub = createStreamHub({ lagLimitMs: 200 });
    const channel = streamHub.channel({ mode: 'state' });
    let isBlocked = false;
    const server = await serve(
      serveChannel(channel, (hasRoom) => {
        isBlocked = !hasRoom;
      }),
    );
    const errors: Error[] = [];
    server.server.on('clientError', (error: Error, socket) => {
      errors.push(error);
      socket.destroy();
    });
    const client = await rawClient(server);
    client.request();
    await client.waitForText('retry');
    client.socket.pause();
    const socket = server.sockets[0];
    await waitFor(() => {
      channel.publish({ data: 'x'.repeat(30_000) }, 'state');
      return isBlocked;
    }, 'a backlog');
    client.socket.end();
    await waitFor(() => socket?.writable === false, 'the half-closed connection');
    await waitFor(() => {
      if (streamHub.readers > 0) channel.publish({ data: 'x' }, 'state');
      return streamHub.readers === 0;
    }, 'the reader gone');
    expect(errors).toEqual([]);
  });

  it('is seen as closed by a reader that attaches after the client left', async () => {
    const { streamHub, channel } = stateChannel();
    let attached = '';
    const server = await serve((_request, response) => {
      response.on('close', () => {
        attached = channel.attach(createResponseSink(response), null);
      });
    });
    const client = await rawClient(server);
    client.request();
    await waitFor(() => server.requests.length === 1, 'the request');
    client.socket.resetAndDestroy();
    await waitFor(() => attached !== '', 'the attach');
    expect(attached).toBe('attached');
    expect(streamHub.readers).toBe(0);
  });

  it('ends a HEAD request immediately, with no body', async () => {
    const { streamHub, channel } = stateChannel();
    channel.publish({ data: 'x' }, 'state');
    const server = await serve(serveChannel(channel));
    const client = await rawClient(server);
    client.request({ method: 'HEAD' });
    await client.waitForText('\r\n\r\n');
    await waitFor(() => streamHub.readers === 0 && server.requests[0]?.complete === true, 'the request is over');
    expect(client.bytes.toString()).toMatch(/\r\n\r\n$/);
    const answer = await request(server.url, { method: 'HEAD' });
    expect(answer.statusCode).toBe(200);
    expect(await answer.body.text()).toBe('');
  });
});

describe('what a response sink hands to a socket', () => {
  it('goes to the kernel immediately, and nothing waits in the queue', async () => {
    const queued: unknown[] = [];
    const server = await serve((_request, response) => {
      response.writeHead(200, SSE_HEADERS);
      const sink = createResponseSink(response);
      for (let sequence = 1; sequence <= 3; sequence += 1) {
        queued.push(sink.write(encodeFrame({ id: `e.${sequence}`, data: 'x' })), response.socket?.writableLength);
      }
    });
    const client = await rawClient(server);
    client.request();
    await waitFor(() => client.ids().length === 3, 'the events');
    expect(queued).toEqual([true, 0, true, 0, true, 0]);
  });

  it('never reaches another connection that got the descriptor of a closed one', async () => {
    const sinks: ReturnType<typeof createResponseSink>[] = [];
    const server = await serve((_request, response) => {
      response.writeHead(200, SSE_HEADERS);
      sinks.push(createResponseSink(response));
    });
    const descriptorOf = (socket: Socket | undefined) => socket && socketDescriptor(socket);
    const left = await rawClient(server);
    left.request();
    await waitFor(() => sinks.length === 1, 'the first stream');
    const descriptor = descriptorOf(server.sockets[0]);
    server.sockets[0]?.destroy();
    await waitFor(() => left.isClosed, 'the first connection closed');
    // The system gives out the lowest number that is free: to a client of this process too, but soon to a server's connection.
    let next = left;
    for (let count = 2; descriptorOf(server.sockets.at(-1)) !== descriptor; count += 1) {
      expect(count).toBeLessThan(20);
      next = await rawClient(server);
      next.request();
      await waitFor(() => sinks.length === count, 'another stream');
    }
    expect(sinks[0]?.write(encodeFrame({ id: 'e.1', data: 'of the first' }))).toBe(false);
    expect(sinks.at(-1)?.write(encodeFrame({ id: 'e.2', data: 'of the last' }))).toBe(true);
    await next.waitForText('of the last');
    expect(next.ids()).toEqual(['e.2']);
  });

  it('loses no bytes while the kernel is full, and emits one drain when it has space again', async () => {
    let drains = 0;
    let written = 0;
    const late = 20;
    const server = await serve((_request, response) => {
      response.writeHead(200, SSE_HEADERS);
      const sink = createResponseSink(response);
      sink.onDrain(() => {
        drains += 1;
        sink.end();
      });
      do written += 1;
      while (sink.write(largeFrame(written)));
      for (let more = 0; more < late; more += 1) {
        written += 1;
        expect(sink.write(largeFrame(written))).toBe(false);
      }
    });
    const client = await rawClient(server);
    client.socket.pause();
    client.request();
    await waitFor(() => written > late, 'the request');
    client.socket.resume();
    await waitFor(() => client.responses()[0]?.isComplete === true, 'the end of the stream');
    expect(client.ids()).toEqual(Array.from({ length: written }, (_, index) => `e.${index + 1}`));
    expect(drains).toBe(1);
  });

  it('waits behind bytes that others left in the queue', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, SSE_HEADERS);
      const sink = createResponseSink(response);
      const { socket } = response;
      socket?.cork();
      socket?.write('5\r\n: a\n\n\r\n');
      sink.write(encodeFrame({ id: 'e.1', data: 'b' }));
      socket?.uncork();
      sink.end();
    });
    const client = await rawClient(server);
    client.request();
    await waitFor(() => client.responses()[0]?.isComplete === true, 'the end of the stream');
    expect(client.responses()[0]?.body).toBe(': a\n\nid: e.1\ndata: b\n\n');
  });

  it('handles a connection that breaks while the kernel is full', async () => {
    const { streamHub, channel } = stateChannel();
    let isBlocked = false;
    const server = await serve(
      serveChannel(channel, (hasRoom) => {
        isBlocked ||= !hasRoom;
      }),
    );
    const client = await rawClient(server);
    client.request();
    await client.waitForText('retry');
    client.socket.pause();
    await waitFor(() => {
      channel.publish({ data: 'x'.repeat(60_000) }, 'state');
      return isBlocked;
    }, 'a backlog');
    client.socket.resetAndDestroy();
    await waitFor(() => streamHub.readers === 0, 'the reader gone');
    channel.publish({ data: 'y' }, 'terminal');
    await turns(2);
  });
});

describe('a response sink where there are no chunks', () => {
  it('serves HTTP/1.0 and closes the connection at the end', async () => {
    const { channel } = stateChannel();
    const client = await rawClient(await serve(serveChannel(channel)));
    client.request({ version: '1.0' });
    await client.waitForText('retry');
    channel.publish({ data: 'x' }, 'terminal');
    await waitFor(() => client.isClosed, 'the connection closed');
    expect(client.responses()[0]?.head).not.toMatch(/transfer-encoding/i);
    expect(client.responses()[0]?.body).toBe('retry: 3000\n\nid: e.1\ndata: x\n\n');
  });

  it('serves a pipelined request after the one before it', async () => {
    const [one, two] = [stateChannel(), stateChannel()];
    const server = await serve((request, response, count) =>
      serveChannel((count === 1 ? one : two).channel)(request, response, count),
    );
    const client = await rawClient(server);
    client.request();
    client.request();
    await waitFor(() => two.streamHub.readers === 1, 'the second request');
    two.channel.publish({ data: 'second' }, 'terminal');
    await client.waitForText('retry');
    expect(client.responses()).toHaveLength(1);
    one.channel.publish({ data: 'first' }, 'terminal');
    await waitFor(() => client.responses()[1]?.isComplete === true, 'both streams');
    expect(client.responses().map((response) => parseEvents(response.body).events[0]?.data)).toEqual([
      'first',
      'second',
    ]);
    await waitFor(() => one.streamHub.readers + two.streamHub.readers === 0, 'no reader left');
  });

  it('forgets a pipelined request whose connection breaks before its turn', async () => {
    const { streamHub, channel } = stateChannel();
    const client = await rawClient(await serve(serveChannel(channel)));
    client.request();
    client.request();
    await waitFor(() => streamHub.readers === 2, 'both requests');
    client.socket.resetAndDestroy();
    await waitFor(() => streamHub.readers === 0, 'no reader left');
  });

  it('can close the connection of a pipelined request before its turn', async () => {
    const closed: number[] = [];
    const server = await serve((_request, response, count) => {
      response.writeHead(200, SSE_HEADERS);
      const sink = createResponseSink(response);
      sink.onClose(() => closed.push(count));
      if (count === 2) sink.destroy();
    });
    const client = await rawClient(server);
    client.request();
    client.request();
    await waitFor(() => client.isClosed && closed.length === 2, 'the connection closed');
    expect(closed.toSorted()).toEqual([1, 2]);
  });

  it('serves HTTP/2', async () => {
    const { streamHub, channel } = stateChannel();
    const server = createHttp2Server((_request: Http2ServerRequest, response) => {
      response.writeHead(200, SSE_HEADERS);
      channel.attach(createResponseSink(response as never), null);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    cleanups.push(() => {
      session.destroy();
      server.close();
    });
    const stream = session.request({ ':path': '/' });
    let text = '';
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    await waitFor(() => text.includes('retry'), 'the greeting');
    channel.publish({ data: 'x' }, 'terminal');
    await waitFor(() => stream.closed, 'the end of the stream');
    expect(text).toBe('retry: 3000\n\nid: e.1\ndata: x\n\n');
    await waitFor(() => streamHub.readers === 0, 'no reader left');
  });
});

describe('clients of a response sink', () => {
  it.each(['undici fetch', 'node http'])('%s sees a clean end and uses the connection again', async (kind) => {
    const { streamHub, channel } = stateChannel();
    const server = await serve(serveChannel(channel));
    const agent =
      kind === 'node http' ? new HttpAgent({ keepAlive: true, maxSockets: 1 }) : new Agent({ connections: 1 });
    cleanups.push(() => agent.destroy());
    const read = agent instanceof HttpAgent ? readWithHttp : readWithFetch;
    const body = read(server.url, agent as never);
    await waitFor(() => streamHub.readers === 1, 'the reader');
    for (let count = 1; count <= 5; count += 1) {
      channel.publish({ data: 'x'.repeat(count * 1_000) }, 'state');
      await turns();
    }
    channel.publish({ data: 'the end' }, 'terminal');
    expect(parseEvents(await body).events.map((event) => event.id)).toEqual(['e.1', 'e.2', 'e.3', 'e.4', 'e.5', 'e.6']);
    expect(parseEvents(await read(server.url, agent as never)).events.map((event) => event.id)).toEqual(['e.6']);
    expect(server.requests[0]?.socket).toBe(server.requests[1]?.socket);
  });
});

/** The chunks that each descriptor is given from here on. They are written as before. */
function listenToWrites(): ReadonlyMap<number, unknown[]> {
  const chunks = new Map<number, unknown[]>();
  const { writeSync } = fs;
  const listening = (descriptor: number, chunk: Buffer): number => {
    chunks.set(descriptor, [...(chunks.get(descriptor) ?? []), chunk]);
    return writeSync(descriptor, chunk);
  };
  fs.writeSync = listening as typeof writeSync;
  syncBuiltinESMExports();
  cleanups.push(() => {
    fs.writeSync = writeSync;
    syncBuiltinESMExports();
  });
  return chunks;
}

async function readWithFetch(url: string, dispatcher: Agent): Promise<string> {
  return await (await fetch(url, { dispatcher })).text();
}

function readWithHttp(url: string, agent: HttpAgent): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        response.complete ? resolve(Buffer.concat(chunks).toString()) : reject(new Error('cut')),
      );
      response.on('error', reject);
    }).on('error', reject);
  });
}

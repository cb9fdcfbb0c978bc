import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '@rbee/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { createStreamHub } from '../../src/publish/stream-hub.ts';
import { DirectSink } from '../../src/sinks/direct-sink.ts';
import { QueuedSink } from '../../src/sinks/queued-sink.ts';
import { createResponseSink, SSE_HEADERS } from '../../src/sinks/response-sink.ts';
import type { Sink } from '../../src/sinks/sink.ts';
import { openRawClient } from '../support/raw-client.ts';
import { startServer } from '../support/stream-server.ts';
import { waitFor } from '../support/wait-for.ts';

// Goal: a Node.js without a usable `socket._handle.fd` serves the same streams over the public `socket.write`. Method: real sockets whose
// handle is replaced for as long as the sink is made.

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Streams three events over a socket that shows `handle` to the sink; null shows its own. */
async function streamWith(handle: (() => unknown) | null): Promise<{ sink: Sink | null; data: string[] }> {
  const channel = createStreamHub().channel({ mode: 'log', epoch: 'e' });
  let sink: Sink | null = null;
  const server = await startServer((_request, response) => {
    response.writeHead(200, SSE_HEADERS).flushHeaders();
    response.flushHeaders = () => {};
    const socket = response.socket as { _handle?: unknown };
    const own = socket._handle;
    if (handle !== null) socket._handle = handle();
    sink = createResponseSink(response);
    socket._handle = own;
    channel.attach(sink, null);
  });
  cleanups.push(server.close);
  const client = await openRawClient(server.port);
  cleanups.push(() => client.socket.destroy());
  client.request();
  for (const data of ['1', '2']) channel.publish({ data }, 'keep');
  channel.publish({ data: '3' }, 'terminal');
  await waitFor(() => client.responses()[0]?.isComplete === true, 'the end of the stream');
  const body = client.responses()[0]?.body ?? '';
  return { sink, data: [...body.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => data) };
}

describe('the descriptor of a socket', () => {
  it.skipIf(process.platform === 'win32')('is what a stream is written to', async () => {
    const { sink, data } = await streamWith(null);
    expect(sink).toBeInstanceOf(DirectSink);
    expect(data).toEqual(['1', '2', '3']);
  });

  it.each([
    ['there is no handle', undefined],
    ['the handle has none', {}],
    ['it is no number', { fd: '7' }],
    ['it is negative', { fd: -1 }],
    ['it is closed', { fd: 2 ** 20 - 1 }],
  ])('is not used where %s: the stream goes through the socket', async (_, handle) => {
    const { sink, data } = await streamWith(() => handle);
    expect(sink).toBeInstanceOf(QueuedSink);
    expect(data).toEqual(['1', '2', '3']);
  });

  it('is not used where it is another file, which stays as it was', async () => {
    const folder = await tempDir();
    const path = join(folder.path, 'other');
    const fd = openSync(path, 'w');
    cleanups.push(folder.remove, () => closeSync(fd));
    const { sink, data } = await streamWith(() => ({ fd }));
    expect(sink).toBeInstanceOf(QueuedSink);
    expect(data).toEqual(['1', '2', '3']);
    expect(readFileSync(path, 'utf8')).toBe('');
  });
});

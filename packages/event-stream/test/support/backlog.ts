import { expect } from 'vitest';
import { encodeFrame } from '../../src/frame.ts';
import { createResponseSink, SSE_HEADERS } from '../../src/sinks/response-sink.ts';
import { parseEvents } from './parse-events.ts';
import type { RawClient } from './raw-client.ts';
import type { Handler, StreamServer } from './stream-server.ts';
import { waitFor } from './wait-for.ts';

const LARGE_CHARACTERS = 60_000;

/** More than a few of them do not fit into the kernel. */
export const largeFrame = (sequence: number) =>
  encodeFrame({ id: `e.${sequence}`, data: `${sequence}`.padEnd(LARGE_CHARACTERS, 'x') });

/** Writes to a client that does not read until a write is held back, ends, and lets the client read all of it. */
export async function expectWholeBehindBacklog(
  serve: (handler: Handler) => Promise<StreamServer>,
  rawClient: (server: StreamServer) => Promise<RawClient>,
): Promise<void> {
  let written = 0;
  const server = await serve((_request, response) => {
    response.writeHead(200, SSE_HEADERS);
    const sink = createResponseSink(response);
    do written += 1;
    while (sink.write(largeFrame(written)));
    sink.end();
    expect(sink.write(largeFrame(0))).toBe(false);
  });
  const client = await rawClient(server);
  client.socket.pause();
  client.request();
  await waitFor(() => written > 0, 'the request');
  client.socket.resume();
  await waitFor(() => client.responses()[0]?.isComplete === true, 'the end of the stream');
  const { events, rest } = parseEvents(client.responses()[0]?.body ?? '');
  expect(events.map(({ id }) => id)).toEqual(Array.from({ length: written }, (_, index) => `e.${index + 1}`));
  expect(events.every(({ data }) => data.length === LARGE_CHARACTERS)).toBe(true);
  expect(rest).toBe('');
}

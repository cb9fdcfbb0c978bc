import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** What a server under test is asked over IPC. */
export type ServerQuestion =
  /** To collect its garbage, so that its memory can be measured. */
  | { readonly kind: 'settle' }
  /** To watch its event loop from here on. */
  | { readonly kind: 'watch' }
  | { readonly kind: 'watched' };

export interface ServerHello {
  readonly port: number;
  readonly path: string;
  readonly publishPort: number;
}

export interface LoopReport {
  readonly longestStopMs: number;
}

const host = '127.0.0.1';
const resolutionMs = 1;
const nsPerMs = 1e6;

/** Makes a program of a broadcaster: events come in over HTTP on a port of their own, questions over IPC. */
export async function serveBench(stream: { port: number; path: string }, publish: (data: string) => void): Promise<void> {
  const publishPort = await listen((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      publish(Buffer.concat(chunks).toString());
      response.end();
    });
  });
  const delays = monitorEventLoopDelay({ resolution: resolutionMs });
  process.on('message', ({ kind }: ServerQuestion) => {
    if (kind === 'settle') for (let round = 0; round < 2; round += 1) globalThis.gc?.();
    if (kind === 'watch') {
      delays.enable();
      delays.reset();
    }
    if (kind === 'watched') delays.disable();
    process.send?.({ longestStopMs: delays.max / nsPerMs - resolutionMs } satisfies LoopReport);
  });
  process.on('disconnect', () => process.exit());
  process.send?.({ ...stream, publishPort } satisfies ServerHello);
}

/** On a free port of loopback. */
export async function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen({ port: 0, host, backlog: 4_096 });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** What a server under test is asked over IPC. */
export type ServerQuestion =
  /** To collect its garbage as thoroughly as V8 does when a process rests, so that its memory can be measured. */
  | { readonly kind: 'settle' }
  /** To watch its event loop from here on. */
  | { readonly kind: 'watch' }
  | { readonly kind: 'watched' }
  /** To end all streams. */
  | { readonly kind: 'end' };

export interface ServerHello {
  readonly port: number;
  readonly path: string;
  readonly publishPort: number;
}

export interface LoopReport {
  /** Since it was watched; NaN before. */
  readonly longestStopMs: number;
  /** How long the streams took to end; null where they have not been ended. */
  readonly endAllMs: number | null;
}

export interface Broadcaster {
  readonly port: number;
  readonly path: string;
  publish(data: string): void;
  /** Where a server has a way to end its streams. */
  endAll?(): Promise<void>;
}

const host = '127.0.0.1';
const resolutionMs = 1;
const nsPerMs = 1e6;

/** Makes a program of a broadcaster: events come in over HTTP on a port of their own, questions over IPC. */
export async function serveBench({ port, path, publish, endAll }: Broadcaster): Promise<void> {
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
    if (kind === 'settle') globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    if (kind === 'watch') {
      delays.enable();
      delays.reset();
    }
    if (kind === 'watched') delays.disable();
    const longestStopMs = delays.max / nsPerMs - resolutionMs;
    void timed(kind === 'end' ? endAll : undefined).then((endAllMs) => {
      process.send?.({ longestStopMs, endAllMs } satisfies LoopReport);
    });
  });
  process.on('disconnect', () => process.exit());
  process.send?.({ port, path, publishPort } satisfies ServerHello);
}

async function timed(work: (() => Promise<void>) | undefined): Promise<number | null> {
  if (work === undefined) return null;
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

/** On a free port of loopback. */
export async function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen({ port: 0, host, backlog: 4_096 });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

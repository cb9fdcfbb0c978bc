// The readers of one server as a process of their own. The first message opens their streams; each later one asks for a run.
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { cpuSecondsOfTree } from '../process/proc.ts';

export type ReadersQuestion =
  | { readonly kind: 'open'; readonly port: number; readonly path: string; readonly readers: number }
  /** One event in flight: the next is published when every reader has the last. */
  | { readonly kind: 'run'; readonly publishPort: number; readonly serverPid: number; readonly events: number };

export interface RunAnswer {
  /** From the request that publishes an event until the last reader has it; one value per event. */
  readonly eventMs: readonly number[];
  readonly serverCpuSeconds: number;
}

const host = '127.0.0.1';
/** Below the backlog of the servers. */
const parallelConnects = 100;
const readBytes = 64 * 1024;
const lostAfterMs = 10_000;
/** Once in each event and nowhere else, so that a reader counts events by counting this byte, however they are framed and cut. */
const markByte = 0x7e;
const mark = String.fromCharCode(markByte);
/** About as long as the progress of a download. */
const event = JSON.stringify({ file: `model.gguf${mark}`, model_ref: `hf:bench/model::file=${'x'.repeat(120)}` });

let readers = 0;
let delivered = 0;
let onDelivered: { readonly wanted: number; readonly resolve: () => void } | null = null;

function count(bytes: Buffer): void {
  for (let index = bytes.indexOf(markByte); index !== -1; index = bytes.indexOf(markByte, index + 1)) delivered += 1;
  if (onDelivered !== null && delivered >= onDelivered.wanted) onDelivered.resolve();
}

async function open(port: number, path: string, wanted: number): Promise<void> {
  // All sockets are read in turn, so one buffer serves them all.
  const buffer = Buffer.allocUnsafeSlow(readBytes);
  const head = `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nAccept: text/event-stream\r\n\r\n`;
  while (readers < wanted) {
    const more = Math.min(parallelConnects, wanted - readers);
    await Promise.all(Array.from({ length: more }, () => openStream(port, head, buffer)));
    readers += more;
  }
}

async function openStream(port: number, head: string, buffer: Buffer): Promise<Socket> {
  const answered = Promise.withResolvers<void>();
  let text: string | null = '';
  const onBytes = (bytes: Buffer): void => {
    if (text === null) {
      count(bytes);
      return;
    }
    text += bytes.toString('latin1');
    if (!text.includes('\r\n\r\n')) return;
    if (text.startsWith('HTTP/1.1 200 ')) answered.resolve();
    else answered.reject(new Error(`not a stream: ${text.slice(0, text.indexOf('\r\n'))}`));
    text = null;
  };
  const callback = (length: number): boolean => {
    onBytes(buffer.subarray(0, length));
    return true;
  };
  const socket = connect({ host, port, noDelay: true, onread: { buffer, callback } });
  socket.on('error', answered.reject);
  socket.once('close', () => answered.reject(new Error('closed before the headers')));
  await once(socket, 'connect');
  socket.write(head);
  await answered.promise;
  return socket;
}

async function run({ publishPort, serverPid, events }: ReadersQuestion & { kind: 'run' }): Promise<RunAnswer> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const eventMs: number[] = [];
  delivered = 0;
  const stopSpinning = spin();
  const cpuBefore = cpuSecondsOfTree(serverPid);
  for (let sent = 1; sent <= events; sent += 1) {
    const startedMs = performance.now();
    const all = deliveredBy(sent * readers);
    await publish(publishPort, agent);
    await all;
    eventMs.push(performance.now() - startedMs);
  }
  const serverCpuSeconds = cpuSecondsOfTree(serverPid) - cpuBefore;
  stopSpinning();
  agent.destroy();
  if (delivered !== events * readers) throw new Error(`${delivered} deliveries in place of ${events * readers}`);
  return { eventMs, serverCpuSeconds };
}

/** Rejects where deliveries are missing. */
async function deliveredBy(wanted: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const lost = () => reject(new Error(`${delivered} of ${wanted} deliveries after ${lostAfterMs} ms`));
  const timer = setTimeout(lost, lostAfterMs);
  onDelivered = { wanted, resolve };
  await promise.finally(() => clearTimeout(timer));
  onDelivered = null;
}

/**
 * Keeps this process awake. On one machine the sender of a packet pays for waking a sleeping receiver, which over a network it
 * does not.
 */
function spin(): () => void {
  let isOver = false;
  const turn = (): void => {
    if (!isOver) setImmediate(turn);
  };
  turn();
  return () => {
    isOver = true;
  };
}

async function publish(port: number, agent: Agent): Promise<void> {
  const sent = request({ host, port, method: 'POST', agent }).end(event);
  const [response] = await once(sent, 'response');
  response.resume();
  await once(response, 'end');
}

process.on('message', (question: ReadersQuestion) => {
  const answer = question.kind === 'open' ? open(question.port, question.path, question.readers) : run(question);
  answer.then(
    (result) => process.send?.(result ?? {}),
    (error: unknown) => {
      process.stderr.write(`${error}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());
process.send?.({});

import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { GGMLFileQuantizationType, gguf, parseGGUFQuantLabel } from '@huggingface/gguf';
import type { FromWorker, GgufTask, ToWorker } from './gguf-channel.ts';

/** The parser tells a remote file by its scheme; what is fetched is asked of the thread that started this one. */
const ANY_URL = 'http://file/';

// A thread of its own: a header has up to a few hundred thousand tokens, and a hostile one is made to take long.
if (parentPort === null) throw new Error('this runs as a worker');
const port = parentPort;
const say = (message: FromWorker) => port.postMessage(message);
try {
  say({ kind: 'done', gguf: await readHeader(workerData as GgufTask) });
} catch (error) {
  say({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
}

async function readHeader({ name }: GgufTask) {
  const { metadata, parameterCount } = await gguf(ANY_URL, { fetch: fetchRange, computeParametersCount: true });
  const values: Readonly<Record<string, unknown>> = { ...metadata };
  const architecture = textOrNull(values['general.architecture']);
  const fileType = numberOrNull(values['general.file_type']);
  const quantisation = fileType === null ? undefined : GGMLFileQuantizationType[fileType];
  return {
    architecture,
    name: textOrNull(values['general.name']),
    parameters: numberOrNull(parameterCount),
    quantisation: quantisation ?? parseGGUFQuantLabel(name) ?? null,
    context_length: numberOrNull(values[`${architecture}.context_length`]),
  };
}

async function fetchRange(_: unknown, init?: RequestInit): Promise<Response> {
  const range = new Headers(init?.headers).get('range') ?? '';
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
  const start = Number(first);
  say({ kind: 'read', start, end: Number(last) + 1 });
  const [{ bytes, total }] = (await once(port, 'message')) as [ToWorker];
  const headers = { 'content-range': `bytes ${start}-${start + bytes.length - 1}/${total ?? '*'}` };
  return new Response(bytes, { status: 206, headers });
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOrNull(value: unknown): number | null {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : null;
}

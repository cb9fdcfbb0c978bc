import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { GGMLFileQuantizationType, gguf, parseGGUFQuantLabel } from '@huggingface/gguf';
import type { FromWorker, GgufTask, ToWorker } from './gguf-channel.ts';

/** The parser recognises a remote file by its scheme; the bytes come from the parent thread. */
const ANY_URL = 'http://file/';

// In a worker: a header has up to a few hundred thousand tokens, and a hostile one is made to take long.
if (parentPort === null) throw new Error('this runs as a worker');
const port = parentPort;
const post = (message: FromWorker) => port.postMessage(message);
try {
  post({ kind: 'done', gguf: await readHeader(workerData as GgufTask) });
} catch (error) {
  post({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
}

async function readHeader({ name }: GgufTask) {
  let lengthBytes = Number.POSITIVE_INFINITY;
  const fetchPart: typeof fetch = async (_, init) => {
    const part = await readPart(init);
    lengthBytes = Math.min(lengthBytes, part.lengthBytes);
    return part.response;
  };
  const parsed = await gguf(ANY_URL, { fetch: fetchPart, computeParametersCount: true });
  // The parser reads zeros for bytes missing at the end.
  if (parsed.tensorInfoByteRange[1] > lengthBytes) throw new Error('it is truncated');
  const { metadata, parameterCount } = parsed;
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

/** One range that the parser requests; and where the file ends, once a part is shorter than requested. */
async function readPart(init: RequestInit | undefined): Promise<{ response: Response; lengthBytes: number }> {
  const range = new Headers(init?.headers).get('range') ?? '';
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
  const [start, end] = [Number(first), Number(last) + 1];
  post({ kind: 'read', start, end });
  const [{ bytes, total }] = (await once(port, 'message')) as [ToWorker];
  const headers = { 'content-range': `bytes ${start}-${start + bytes.length - 1}/${total ?? '*'}` };
  const isShort = start + bytes.length < end;
  return {
    response: new Response(bytes, { status: 206, headers }),
    lengthBytes: isShort ? start + bytes.length : Number.POSITIVE_INFINITY,
  };
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOrNull(value: unknown): number | null {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : null;
}

import { fstatSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startHub } from './hub/hub.ts';
import { makeSampleGguf } from './sample-gguf.ts';

const REPO_ID = 'rbee/sample-gguf';
const FILE = 'sample.gguf';
const SEED = 7;
const defaultSize = 24 * 1024 * 1024;
/** Slow enough for a person to see the bar move. */
const defaultBytesPerSecond = 6 * 1024 * 1024;

const CONFIG = { architectures: ['LlamaForCausalLM'], model_type: 'llama', torch_dtype: 'float16' };
const README = `---
license: mit
library_name: gguf
---

# rbee sample

A valid GGUF file with random weights, for trying out downloads. It says nothing sensible.
`;

/**
 * A hub with one sample model, as a program. Prints one line of JSON, `{"url", "model"}`, when it is ready, and ends on
 * SIGTERM, SIGINT, or when its parent is gone.
 */
async function main(): Promise<void> {
  const settings = readSettings();
  const hub = await startHub({ port: settings.port, bytesPerSecond: settings.bytesPerSecond });
  let closing = false;
  const close = (): void => {
    if (closing) return;
    closing = true;
    hub.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once('SIGTERM', close);
  process.once('SIGINT', close);
  onParentGone(close);
  hub.addRepo({
    id: REPO_ID,
    files: {
      [FILE]: makeSampleGguf({ size: settings.size, seed: SEED }),
      'README.md': Buffer.from(README),
      'config.json': Buffer.from(`${JSON.stringify(CONFIG, null, 2)}\n`),
    },
  });
  process.stdout.write(`${JSON.stringify({ url: hub.url, model: `hf:${REPO_ID}::file=${FILE}` })}\n`);
}

/** From flags, the environment, or defaults, in this order; 0 bytes per second means unlimited. */
function readSettings(): { port: number; size: number; bytesPerSecond: number | null } {
  const { values } = parseArgs({
    options: { port: { type: 'string' }, size: { type: 'string' }, 'bytes-per-second': { type: 'string' } },
  });
  const { env } = process;
  const rate = toCount(
    'bytes-per-second',
    values['bytes-per-second'] ?? env.RBEE_TEST_HUB_BYTES_PER_SECOND,
    defaultBytesPerSecond,
  );
  return {
    port: toCount('port', values.port ?? env.RBEE_TEST_HUB_PORT, 0),
    size: toCount('size', values.size ?? env.RBEE_TEST_HUB_SIZE, defaultSize),
    bytesPerSecond: rate === 0 ? null : rate,
  };
}

function toCount(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (!/^\d+$/.test(text)) throw new Error(`--${name} is a whole number, not "${text}"`);
  return Number(text);
}

function onParentGone(close: () => void): void {
  process.once('disconnect', close);
  // Only a pipe ends when its other end is gone: a file or /dev/null is at its end from the start.
  const stdin = fstatSync(0);
  if (!stdin.isFIFO() && !stdin.isSocket()) return;
  process.stdin.once('end', close).once('error', close).resume();
}

main().catch((error: unknown) => {
  process.stderr.write(`hub: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});

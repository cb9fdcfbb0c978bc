import { closeSync, openSync } from 'node:fs';
import { Agent } from 'undici';
import { type TransferNotice, transferFile } from '../src/index.ts';

/**
 * A process that transfers one file and has no descriptor left at a moment of it, until a notice says that it waits. Arguments: URL,
 * partial, final path, size, sha256, the moment. Prints the notices and how it ended.
 */
const [url = '', partialPath = '', finalPath = '', size = '', sha256 = '', when = 'start'] = process.argv.slice(2);
const held: number[] = [];
const takeAll = () => {
  for (;;) {
    try {
      held.push(openSync('/dev/null', 'r'));
    } catch {
      return;
    }
  }
};
const giveBack = () => {
  for (const descriptor of held.splice(0)) closeSync(descriptor);
};
const notices: TransferNotice[] = [];
let isTaken = false;
const take = () => {
  if (!isTaken) takeAll();
  isTaken = true;
};
if (when === 'start') take();
const ended = await transferFile(
  {
    locate: async () => {
      if (when === 'connect') take();
      return { url };
    },
    partialPath,
    finalPath,
    size: Number(size),
    sha256,
    gitSha1: null,
    name: 'model.bin',
  },
  {
    signal: new AbortController().signal,
    dispatcher: new Agent({ allowH2: false }),
    headersTimeoutMs: 60_000,
    stallTimeoutMs: 60_000,
    retry: { attempts: 2, baseDelayMs: 10, maxDelayMs: 20, windowMs: 60_000 },
    maxConnections: 4,
    onState: ({ phase, bytes }) => {
      if (when === phase && bytes > 0) take();
    },
    onNotice: (notice) => {
      notices.push(notice);
      giveBack();
    },
  },
).then(
  (result) => ({ result }),
  (error: unknown) => ({ error: String(error) }),
);
giveBack();
console.log(JSON.stringify({ notices, ...ended }));
process.exit(0);

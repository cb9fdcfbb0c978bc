import { Agent } from 'undici';
import { transferFile } from '../../src/index.ts';

/** A process that transfers one file and is killed meanwhile. Arguments: URL, partial, final path, size, sha256, connections. */
const [url = '', partialPath = '', finalPath = '', size = '', sha256 = '', connections = '1'] = process.argv.slice(2);
await transferFile(
  {
    locate: async () => ({ url }),
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
    retry: { attempts: 1, baseDelayMs: 1, maxDelayMs: 1 },
    maxConnections: Number(connections),
    onState: () => {},
    onNotice: () => {},
  },
);
process.exit(0);

// Fetches one file with the built `@rbee/transfer`. Plain JavaScript: stripping types would cost time and memory
// that are not the engine's. Argument: JSON of `{ url, folder, name, sizeBytes, sha256, connections }`.
import { join } from 'node:path';
import { createReadPool, transferFile } from '@rbee/transfer';
import { Agent } from 'undici';

const { url, folder, name, sizeBytes, sha256, connections } = JSON.parse(process.argv[2] ?? '');
/** What of the engine is set, all else is its own choice. */
const engine = { maxConnections: connections };
const pool = createReadPool();
const dispatcher = new Agent({ allowH2: false, connect: pool.buildConnector({ allowH2: false }) });
let mostConnections = 0;
const result = await transferFile(
  {
    locate: async () => ({ url }),
    partialPath: join(folder, `${name}.partial`),
    finalPath: join(folder, name),
    size: sizeBytes,
    sha256,
    gitSha1: null,
    name,
  },
  {
    signal: new AbortController().signal,
    dispatcher,
    headersTimeoutMs: 30_000,
    stallTimeoutMs: 30_000,
    retry: { attempts: 6, baseDelayMs: 100, maxDelayMs: 30_000 },
    onState: (state) => {
      mostConnections = Math.max(mostConnections, state.connections);
    },
    onNotice: (notice) => process.stderr.write(`${JSON.stringify(notice)}\n`),
    pool,
    ...engine,
  },
);
process.stdout.write(`${JSON.stringify({ ...result, mostConnections })}\n`);
await dispatcher.close();

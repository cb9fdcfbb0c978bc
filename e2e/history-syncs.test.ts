import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findCommand, startHub, startProgram, type TestHub, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startDownload } from './support/api.ts';
import { BIN } from './support/fleet.ts';
import { jsonOf, readStream } from './support/sse.ts';

// Goal: a download syncs the history twice, at its start and at its end, however many files it has. Method: strace lists every sync
// of the daemon with the file it is for. Failure shows as a count that grows with the files.

/** Whether strace may trace here. */
function canTrace(): boolean {
  const strace = findCommand('strace');
  if (strace === null) return false;
  try {
    execFileSync(strace, ['-f', '-o', '/dev/null', 'true']);
    return true;
  } catch {
    return false;
  }
}

const FILES = 40;
const name = (index: number) => `part-${String(index).padStart(2, '0')}.bin`;

let hub: TestHub;
let folder: Awaited<ReturnType<typeof tempDir>>;
beforeEach(async () => {
  hub = await startHub();
  folder = await tempDir();
});
afterEach(async () => {
  await hub.close();
  await folder.remove();
});

it.skipIf(!canTrace())('[L4] a hive syncs its history twice per download, whatever its number of files', async () => {
  const files = Array.from({ length: FILES }, (_, index) => [name(index), { size: 20_000, seed: index }] as const);
  hub.addRepo({ id: 'org/many', files: Object.fromEntries(files) });
  const trace = join(folder.path, 'trace');
  const hive = await startProgram({
    command: 'strace',
    args: ['-f', '-y', '-e', 'trace=fsync,fdatasync', '-o', trace, process.execPath, BIN.hive],
    env: {
      HF_ENDPOINT: hub.url,
      RBEE_HIVE_PORT: '0',
      RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
      RBEE_HIVE_MODELS_DIR: join(folder.path, 'models'),
      RBEE_HIVE_STATE_DIR: join(folder.path, 'state'),
    },
  });
  const syncs = async () => (await readFile(trace, 'utf8')).split('\n').filter((line) => /hive\.sqlite/.test(line));
  try {
    const line = await hive.waitForLine(({ json }) => json?.['msg'] === 'listening', 'it to listen', {
      timeoutMs: 120_000,
    });
    const url = String(line.json?.['url']);
    const before = (await syncs()).length;
    const { download_id: id } = await startDownload(url, `hf:org/many::include=*.bin`);
    const events = await (await readStream(`${url}/v2/downloads/${id}/stream`)).toEnd();
    expect(jsonOf(events.at(-1))).toMatchObject({ bytes: FILES * 20_000 });
    expect((await syncs()).length - before).toBeLessThanOrEqual(2);
    expect((await syncs()).length - before).toBeGreaterThan(0);
  } finally {
    await hive.kill();
  }
});

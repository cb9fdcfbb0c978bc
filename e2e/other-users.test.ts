import { execFile } from 'node:child_process';
import { chmod, lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Program, startHub, startProgram, type TempDir, type TestHub, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startDownload } from './support/api.ts';
import { BIN } from './support/fleet.ts';
import { jsonOf, readStream } from './support/sse.ts';

// Goal: who may read a hive's models is decided by the umask of its service alone, for every file and folder of them. Method: the built hive
// with the umask of the unit and with that of a shell; then other users read as such, which only root can try.

const run = promisify(execFile);
const SIZE = 300_000;
/** The group of the hive, of which one reader is a member and the other is not. */
const [HIVE_GROUP, OTHER] = [65_534, 54_321];
let folder: TempDir;
let hub: TestHub;
let hive: Program | null = null;
beforeEach(async () => {
  folder = await tempDir();
  await chmod(folder.path, 0o755);
  hub = await startHub();
  hub.addRepo({ id: 'org/model', files: { 'model.gguf': { size: SIZE, seed: 3 } } });
});
afterEach(async () => {
  await hive?.kill();
  await hub.close();
  await folder.remove();
});

/** Downloads a model with a hive of this umask; returns the path of its file. */
async function downloadWith(umask: string): Promise<string> {
  const env = {
    HOME: folder.path,
    HF_ENDPOINT: hub.url,
    RBEE_HIVE_MODELS_DIR: join(folder.path, 'models'),
    RBEE_HIVE_STATE_DIR: join(folder.path, 'state'),
    RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
    RBEE_HIVE_PORT: '0',
  };
  const script = `umask ${umask}; exec "$0" "$@"`;
  const command = ['setpriv', `--regid=${HIVE_GROUP}`, '--clear-groups', '--', process.execPath, BIN.hive];
  hive = await startProgram({ command: 'sh', args: ['-c', script, ...command], env });
  const line = await hive.waitForLine(({ json }) => json?.['msg'] === 'listening', 'the hive to listen', {
    timeoutMs: 60_000,
  });
  const url = String(line.json?.['url']);
  const { download_id } = await startDownload(url, 'hf:org/model::file=model.gguf');
  const events = await (await readStream(`${url}/v2/downloads/${download_id}/stream`)).toEnd();
  return String(jsonOf(events.at(-1))['path']);
}

const canRead = (path: string, group: number) =>
  run('setpriv', ['--reuid=54322', `--regid=${group}`, '--clear-groups', '--', 'cat', path], {
    maxBuffer: SIZE * 2,
  }).then(
    () => true,
    () => false,
  );

describe.skipIf(process.getuid?.() !== 0)('the models of a hive', () => {
  it.each([
    ['027', true, false],
    ['022', true, true],
    ['077', false, false],
  ])('[E9] with umask %s can be read by its group: %s, by others: %s', async (umask, byGroup, byOthers) => {
    const path = await downloadWith(umask);
    expect(await canRead(path, HIVE_GROUP)).toBe(byGroup);
    expect(await canRead(path, OTHER)).toBe(byOthers);
    // Nobody else may write.
    for (const each of [path, join(path, '..'), join(folder.path, 'models')]) {
      expect((await lstat(await realPath(each))).mode & 0o022).toBe(0);
    }
  });

  it('[E9] keep the history to the hive and its group', async () => {
    await downloadWith('027');
    expect(await canRead(join(folder.path, 'state', 'hive.sqlite'), OTHER)).toBe(false);
  });
});

it('[E9] the shipped unit gives models to the group rbee', async () => {
  const unit = await readFile(
    fileURLToPath(new URL('../packaging/systemd/rbee-hive.service', import.meta.url)),
    'utf8',
  );
  expect(unit).toMatch(/^UMask=0027$/m);
  expect(unit).toMatch(/^StateDirectoryMode=0750$/m);
});

const realPath = async (path: string) => (await run('realpath', [path])).stdout.trim();

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { errorOfConnection, isOutage } from '../src/index.ts';
import { errorOfShortage } from '../src/shortage.ts';
import { createFixture, type Fixture } from './fixture.ts';

const run = promisify(execFile);
const child = fileURLToPath(new URL('shortage-child.ts', import.meta.url));
/** Few enough to run out of soon, enough for Node.js itself. */
const DESCRIPTORS = 64;

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture(8_000_000);
});
afterEach(() => fixture.close());

describe('a process without descriptors', () => {
  test.each([
    ['from the start', 'start'],
    ['when it connects', 'connect'],
    ['once bytes arrive', 'downloading'],
    ['when it verifies', 'verifying'],
  ])('[B5] %s waits for some and brings the file', async (_what, when) => {
    const { partialPath, finalPath, size, sha256 } = fixture.request();
    const args = [`${fixture.server.url}/model.bin`, partialPath, finalPath, String(size), String(sha256), when];
    const command = `ulimit -n ${DESCRIPTORS}; exec "$0" "$@"`;
    const program = [process.execPath, '--conditions=@rbee/source', child, ...args];
    const { stdout } = await run('sh', ['-c', command, ...program], { timeout: 60_000 });
    const ended = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
    expect(ended).toMatchObject({ result: { bytes: size, sha256 } });
    const content = await readFile(finalPath);
    expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
    // What is open already may be enough to continue.
    if (when === 'start' || when === 'connect') {
      expect(ended['notices']).toMatchObject([{ code: 'RETRY', message: expect.stringMatching(/out of open files/) }]);
    }
  });
});

describe('a shortage', () => {
  const failed = (code: string, message = code) => Object.assign(new Error(message), { code, syscall: 'open' });

  test.each([
    ['EMFILE', failed('EMFILE')],
    ['ENFILE', failed('ENFILE')],
    ['ENOMEM', failed('ENOMEM')],
    ['ENOBUFS', failed('ENOBUFS')],
    ['EMFILE', failed('ERR_WORKER_INIT_FAILED', 'Worker initialization failure: EMFILE')],
    ['EAGAIN', failed('ERR_WORKER_INIT_FAILED', 'Worker initialization failure: EAGAIN')],
  ])('[B5] by %s is an outage of this machine, on disk and at a socket', (shortage, error) => {
    const onDisk = errorOfShortage(error);
    expect(onDisk).toMatchObject({ code: 'DOWNLOAD_FAILED', retryable: true, details: { shortage } });
    expect(onDisk !== null && isOutage(onDisk)).toBe(true);
    expect(errorOfConnection(error, 'host')).toMatchObject({ details: { shortage } });
  });

  test.each(['ENOSPC', 'EACCES', 'ECONNRESET', 'ENOENT'])('is not %s', (code) => {
    expect(errorOfShortage(failed(code))).toBeNull();
  });
});

import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, readStream } from './support/sse.ts';

const run = promisify(execFile);
const SIZE = 10 * 1024 * 1024;

// Only root can mount a disk.
describe.skipIf(process.getuid?.() !== 0)('a full disk', () => {
  let fleet: Fleet;
  let mount: string;
  beforeEach(async () => {
    fleet = await startFleet();
    fleet.hub.addRepo({ id: 'org/model', files: { 'model.gguf': { size: SIZE, seed: 3 } } });
    mount = join(fleet.folder, 'small', 'models');
    await mkdir(mount, { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', 'size=200m', 'tmpfs', mount]);
  });
  afterEach(async () => {
    await run('umount', ['--lazy', mount]);
    await fleet.close();
  });

  async function ended(downloadId: string) {
    const events = await (await readStream(`${fleet.queen.url}/v1/downloads/${downloadId}/stream`)).toEnd();
    return events.at(-1);
  }

  it('gets no byte of a file that does not fit beside the reserve, and all of it once it fits', async () => {
    await fleet.addHive('small');
    const { download_id } = await startDownload(fleet.queen.url, 'hf:org/model::file=model.gguf', { hive_id: 'small' });
    const end = await ended(download_id);
    expect(end?.event).toBe('error');
    expect(jsonOf(end)).toMatchObject({ code: 'DISK_FULL', bytes: 0, hint: expect.stringContaining('prune') });
    expect(fleet.hub.requests.filter(({ method, server }) => method === 'GET' && server === 'cdn')).toEqual([]);

    await run('mount', ['-o', 'remount,size=2g', mount]);
    const { status, body } = await api('POST', `${fleet.queen.url}/v1/downloads/${download_id}/retry`);
    expect(status).toBe(202);
    expect((await ended(String(body['download_id'])))?.event).toBe('complete');
  });
});

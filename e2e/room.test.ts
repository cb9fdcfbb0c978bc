import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startWebServer } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, readStream } from './support/sse.ts';

const run = promisify(execFile);
const SIZE = 10 * 1024 * 1024;
const SMALL_DISK_BYTES = 200 * 1024 * 1024;

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

describe.skipIf(process.getuid?.() !== 0)('a store with the files of other sources on another disk', () => {
  it('checks the disk that it will write to, and reports the free space of both', async () => {
    const web = await startWebServer();
    const fleet = await startFleet({ hiveEnv: { RBEE_HIVE_ALLOWED_SOURCES: 'hf,http' } });
    const beside = join(fleet.folder, 'split', 'rbee');
    await mkdir(beside, { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', 'size=200m', 'tmpfs', beside]);
    try {
      fleet.hub.addRepo({ id: 'org/model', files: { 'model.gguf': { size: SIZE, seed: 3 } } });
      const { url } = await fleet.addHive('split');
      const plan = async (model: string) => {
        const { body } = await api('POST', `${url}/v1/jobs`, { operation: 'model_plan', model });
        const events = await (await readStream(url + String(body['sse_url']))).toEnd();
        return jsonOf(events.find(({ event }) => event === 'data'))['payload'] as Record<string, unknown>;
      };
      const { body: info } = await api('GET', `${url}/v1/info`);
      expect(Number(info['other_free_bytes'])).toBeLessThanOrEqual(SMALL_DISK_BYTES);
      expect(Number(info['free_bytes'])).toBeGreaterThan(SMALL_DISK_BYTES);

      const remote = web.put('/model.gguf', { content: { size: SIZE, seed: 3 } });
      expect(await plan('hf:org/model::file=model.gguf')).toMatchObject({ fits: true });
      const outside = await plan(remote);
      expect(outside['fits']).toBe(false);
      expect(Number(outside['free_bytes'])).toBeLessThanOrEqual(SMALL_DISK_BYTES);

      const { download_id } = await startDownload(url, remote);
      const end = (await (await readStream(`${url}/v2/downloads/${download_id}/stream`)).toEnd()).at(-1);
      expect(jsonOf(end)).toMatchObject({ code: 'DISK_FULL', bytes: 0 });
      const hub = await startDownload(url, 'hf:org/model::file=model.gguf');
      const done = (await (await readStream(`${url}/v2/downloads/${hub.download_id}/stream`)).toEnd()).at(-1);
      expect(done?.event).toBe('complete');

      // The queen knows the difference too: the other hive has space for a file that does not fit here.
      const { body: fleetHives } = await api('GET', `${fleet.queen.url}/v1/hives`);
      const split = (fleetHives['hives'] as Record<string, unknown>[]).find(({ hive_id }) => hive_id === 'split');
      expect(Number(split?.['other_free_bytes'])).toBeLessThanOrEqual(SMALL_DISK_BYTES);
    } finally {
      await run('umount', ['--lazy', beside]);
      await fleet.close();
      await web.close();
    }
  });
});

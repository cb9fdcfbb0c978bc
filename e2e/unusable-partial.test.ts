import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { startWebServer, type WebFile } from '@rbee/testing';
import { expect, it } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { startFleet } from './support/fleet.ts';
import { jsonOf, readStream } from './support/sse.ts';

// Goal: what a cancel reports as kept, the next download uses. Method: one file with nothing that tells its version, and one with an
// ETag. Failure shows as bytes that are reported as kept and fetched again, or that stay on disk for nobody.

const SIZE = 32 * 1024 * 1024;

it.each<[string, Partial<WebFile>, 'kept' | 'discarded']>([
  ['nothing tells the version of: it is deleted', { etag: null, lastModified: null }, 'discarded'],
  ['has an ETag: it is kept', {}, 'kept'],
])('[I4] a cancel of a file that %s', async (_, more, partial) => {
  const web = await startWebServer();
  const fleet = await startFleet({ hiveEnv: { RBEE_HIVE_ALLOWED_SOURCES: 'http' } });
  try {
    const url = web.put('/x.bin', { content: { size: SIZE, seed: 3 }, ...more });
    web.throttle(4_000_000);
    const { job_id, download_id } = await startDownload(fleet.hive.url, url);
    const stream = await readStream(`${fleet.hive.url}/v2/downloads/${download_id}/stream`);
    await stream.waitFor(() => stream.events.some((event) => Number(jsonOf(event)['bytes']) > 1_000_000), 'bytes');
    const { body } = await api('DELETE', `${fleet.hive.url}/v1/jobs/${job_id}`);
    const [receipt] = body['downloads'] as { partial: string; bytes: number }[];
    expect(receipt?.partial).toBe(partial);
    expect((receipt?.bytes ?? 0) > 0).toBe(partial === 'kept');
    expect(jsonOf((await stream.toEnd()).at(-1))).toMatchObject({ partial, bytes: receipt?.bytes });
    const folders = existsSync(fleet.hive.modelsDir) ? await readdir(fleet.hive.modelsDir, { recursive: true }) : [];
    expect(folders.some((path) => path.endsWith('.rbee-partial'))).toBe(partial === 'kept');
    web.throttle(null);
    const again = await startDownload(fleet.hive.url, url);
    await (await readStream(`${fleet.hive.url}/v2/downloads/${again.download_id}/stream`)).toEnd();
    const next = await api('GET', `${fleet.hive.url}/v2/downloads/${again.download_id}`);
    expect(next.body).toMatchObject({ status: 'complete', bytes_reused: receipt?.bytes });
  } finally {
    await fleet.close();
    await web.close();
  }
});

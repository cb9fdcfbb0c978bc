/*
 * Another client of the hub, @huggingface/hub from npm, as it is: on the test hub, which has to satisfy it as the real one does, and on a
 * store that a hive has filled, which has to be a cache like any other to it.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  downloadFileToCacheDir,
  fileDownloadInfo,
  fileExists,
  listFiles,
  modelInfo,
  scanCacheDir,
  snapshotDownload,
} from '@huggingface/hub';
import { generateBytes, startHub, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { readStream } from './support/sse.ts';

const REPO = 'org/model';
const WEIGHTS = { size: 3_000_001, seed: 6 };
const CONFIG = Buffer.from('{"model_type":"llama"}\n');
const FILES = { 'model.safetensors': WEIGHTS, 'config.json': CONFIG, 'sub/vocab.txt': Buffer.from('a\n') };

describe('@huggingface/hub on the test hub', () => {
  it('[A1] finds, lists and downloads', async () => {
    const hub = await startHub({ treePageSize: 2, shape: { cdnAuthorization: 'ignored' } });
    const folder = await tempDir();
    try {
      const { commit, files } = hub.addRepo({ id: REPO, files: FILES });
      const at = { repo: REPO, hubUrl: hub.url };
      expect((await modelInfo({ name: REPO, hubUrl: hub.url, additionalFields: ['sha'] })).sha).toBe(commit);
      const listed: string[] = [];
      for await (const entry of listFiles({ ...at, recursive: true }))
        if (entry.type === 'file') listed.push(entry.path);
      expect(listed.toSorted()).toEqual(Object.keys(FILES).toSorted());
      expect(await fileExists({ ...at, path: 'config.json' })).toBe(true);
      expect(await fileExists({ ...at, path: 'none.json' })).toBe(false);
      const info = await fileDownloadInfo({ ...at, path: 'model.safetensors' });
      expect(info).toMatchObject({ size: WEIGHTS.size });
      expect(await fileDownloadInfo({ ...at, path: 'none.bin' })).toBeNull();
      const one = await downloadFileToCacheDir({ ...at, path: 'config.json', cacheDir: folder.path });
      expect(await readFile(one)).toEqual(CONFIG);
      const snapshot = await snapshotDownload({ ...at, cacheDir: folder.path });
      expect((await readFile(join(snapshot, 'model.safetensors'))).equals(generateBytes(WEIGHTS))).toBe(true);
      expect(files).toHaveLength(3);
    } finally {
      await hub.close();
      await folder.remove();
    }
  });
});

describe('@huggingface/hub on a store', () => {
  let fleet: Fleet;
  beforeEach(async () => {
    fleet = await startFleet({ hub: { shape: { cdnAuthorization: 'ignored' } } });
  });
  afterEach(() => fleet.close());

  it('[G4] sees what a hive has downloaded as its own, and fetches no byte of it again', async () => {
    const { commit } = fleet.hub.addRepo({ id: REPO, files: FILES });
    const { download_id } = await startDownload(fleet.queen.url, `hf:${REPO}::include=*`);
    const events = await (await readStream(`${fleet.queen.url}/v1/downloads/${download_id}/stream`)).toEnd();
    expect(events.at(-1)?.event).toBe('complete');

    const { repos, warnings } = await scanCacheDir(fleet.hive.modelsDir);
    expect(warnings).toEqual([]);
    expect(repos.map(({ id }) => id.name)).toEqual([REPO]);
    const [revision] = repos[0]?.revisions ?? [];
    expect(revision).toMatchObject({ commitOid: commit, refs: ['main'] });
    // It looks at no folder inside a snapshot.
    expect(revision?.files.map(({ path }) => path.split('/').at(-1)).toSorted()).toEqual([
      'config.json',
      'model.safetensors',
    ]);

    fleet.hub.clearRequests();
    const snapshot = await snapshotDownload({ repo: REPO, hubUrl: fleet.hub.url, cacheDir: fleet.hive.modelsDir });
    expect((await readFile(join(snapshot, 'model.safetensors'))).equals(generateBytes(WEIGHTS))).toBe(true);
    const bodies = fleet.hub.requests.filter(({ server, bytesSent }) => server === 'cdn' && bytesSent > 1);
    expect(bodies).toEqual([]);
  });
});

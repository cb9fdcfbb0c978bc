import { readFile } from 'node:fs/promises';
import { generateBytes } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startDownload } from './support/api.ts';
import { type Fleet, startFleet } from './support/fleet.ts';
import { jsonOf, readStream } from './support/sse.ts';

const SIZE = 96 * 1024 * 1024;
const MODEL = 'hf:org/big::file=big.gguf';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({ hiveEnv: { RBEE_HIVE_MAX_CONNECTIONS: '4' } });
  fleet.hub.addRepo({ id: 'org/big', files: { 'big.gguf': { size: SIZE, seed: 9 } } });
  // Each connection is slow, so more of them help.
  fleet.hub.throttle(3 * 1024 * 1024);
});
afterEach(() => fleet.close());

describe('a hub that is slow on each connection', () => {
  it('gets more connections, up to the limit, and the file is right', async () => {
    const { download_id } = await startDownload(fleet.queen.url, MODEL);
    const reader = await readStream(`${fleet.queen.url}/v1/downloads/${download_id}/stream`);
    const most = () => Math.max(0, ...reader.events.map((event) => Number(jsonOf(event)['connections'] ?? 0)));
    await reader.waitFor(() => most() >= 2, 'a second connection', { timeoutMs: 30_000 });
    fleet.hub.throttle(null);
    const events = await reader.toEnd();
    expect(most()).toBeLessThanOrEqual(4);
    expect(events.at(-1)?.event).toBe('complete');
    const path = String(jsonOf(events.at(-1))['path']);
    expect((await readFile(path)).equals(generateBytes({ size: SIZE, seed: 9 }))).toBe(true);
  });
});

import { readFile } from 'node:fs/promises';
import { generateBytes } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startDownload } from './support/api.ts';
import { type Fleet, type Hive, startFleet } from './support/fleet.ts';
import { sentByCdn } from './support/sent-bytes.ts';
import { jsonOf, readStream } from './support/sse.ts';

// Goal: kill -9 loses nothing. Method: a real hive is killed at seeded random moments of a download of several files and
// restarted; it must resume by itself. Failure shows as a wrong byte, a download that does not resume, or a hub that had
// to send more bytes twice than the bound allows. RBEE_CRASH_KILLS=50 makes it thorough.

const KILLS = Number(process.env['RBEE_CRASH_KILLS'] ?? 8);
const SEED = Number(process.env['RBEE_CRASH_SEED'] ?? 20_240_607);
const FILES = ['a.gguf', 'b.gguf', 'c.gguf'];
const CONNECTIONS = 2;
/** Of each connection. */
const BYTES_PER_SECOND = 4_000_000;
/** Half of it is sent between two kills on average, in a second: far more than may be lost. */
const BYTES_PER_KILL = 16_000_000;
/** Large enough that the last kill still interrupts something. */
const SIZE = KILLS * 3_000_000 + 8_000_000;
/**
 * The most that a kill may lose on average: what comes between two live journals, which are written 0.6 s after the first byte that they do
 * not claim, and what sockets and pipes hold. A kill at a random moment loses half of it.
 */
const LOST_PER_KILL = 0.6 * CONNECTIONS * BYTES_PER_SECOND + 1024 * 1024;

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet({ hiveEnv: { RBEE_HIVE_MAX_CONNECTIONS: String(CONNECTIONS) } });
  const files = Object.fromEntries(FILES.map((name, seed) => [name, { size: SIZE, seed }]));
  fleet.hub.addRepo({ id: 'org/set', files });
  fleet.hub.throttle(BYTES_PER_SECOND);
});
afterEach(() => fleet.close());

describe(`a hive that is killed ${KILLS} times`, () => {
  it('resumes by itself each time, and every byte is right in the end', {
    timeout: 60_000 + KILLS * 10_000,
  }, async () => {
    const random = randomOf(SEED);
    const ref = `hf:org/set${FILES.map((name) => `::file=${name}`).join('')}`;
    const { download_id } = await startDownload(fleet.hive.url, ref);
    let hive: Hive = fleet.hive;
    for (let kills = 0; kills < KILLS; kills += 1) {
      const sent = sentByCdn(fleet.hub);
      const wanted = sent + random() * BYTES_PER_KILL;
      // The moment is given in bytes, not in time: the hive may be in a write, a sync or a rename.
      await fleet.hub.waitFor(() => sentByCdn(fleet.hub) >= wanted, 'the moment to kill', { timeoutMs: 30_000 });
      await hive.program.kill();
      hive = await fleet.restart(hive);
    }
    fleet.hub.throttle(null);
    const events = await (await readStream(`${hive.url}/v2/downloads/${download_id}/stream`)).toEnd();
    expect(events.at(-1)?.event).toBe('complete');
    const folder = String(jsonOf(events.at(-1))['path']);
    for (const [seed, name] of FILES.entries()) {
      expect((await readFile(`${folder}/${name}`)).equals(generateBytes({ size: SIZE, seed })), name).toBe(true);
    }

    const lost = sentByCdn(fleet.hub) - FILES.length * SIZE;
    expect(lost).toBeLessThanOrEqual(KILLS * LOST_PER_KILL);
  });
});

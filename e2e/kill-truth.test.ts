import { expect, it } from 'vitest';
import { startDownload } from './support/api.ts';
import { type Hive, startFleet } from './support/fleet.ts';
import { jsonOf, readStream } from './support/sse.ts';

// Goal: over a kill -9 the numbers stay true. Method: a reader compares every event of all runs of a hive. Failure shows as bytes
// that fall while fewer are counted as wasted, or as a time that starts again.

const KILLS = 4;
const SIZE = 64 * 1024 * 1024;
const REFS = {
  'one file with a digest': 'hf:org/big::file=a.gguf',
  'several files': 'hf:org/big::file=a.gguf::file=b.gguf',
};

it.each(Object.entries(REFS))('[I4] bytes of %s never fall over a kill unless as much is wasted', async (_, ref) => {
  const fleet = await startFleet({ hiveEnv: { RBEE_HIVE_MAX_CONNECTIONS: '2' } });
  try {
    fleet.hub.addRepo({
      id: 'org/big',
      files: { 'a.gguf': { size: SIZE, seed: 1 }, 'b.gguf': { size: SIZE, seed: 2 } },
    });
    fleet.hub.throttle(6_000_000);
    const { download_id: id } = await startDownload(fleet.hive.url, ref);
    let hive: Hive = fleet.hive;
    let last = { bytes: 0, bytes_wasted: 0, elapsed_secs: 0 };
    let lost = 0;
    const follow = async () => {
      const stream = await readStream(`${hive.url}/v2/downloads/${id}/stream`);
      const progress = () => stream.events.filter(({ event }) => event === 'progress');
      const seen = () => progress().map((event) => jsonOf(event) as typeof last);
      return { stream, seen };
    };
    const check = (seen: readonly (typeof last)[]) => {
      for (const next of seen) {
        expect(next.bytes + next.bytes_wasted).toBeGreaterThanOrEqual(last.bytes + last.bytes_wasted);
        expect(next.elapsed_secs).toBeGreaterThanOrEqual(last.elapsed_secs);
        lost += Math.max(0, last.bytes - next.bytes);
        last = next;
      }
    };
    for (let kill = 0; kill < KILLS; kill += 1) {
      const { stream, seen } = await follow();
      const from = last.bytes;
      await stream.waitFor(() => (seen().at(-1)?.bytes ?? 0) > from + 3_000_000, 'more bytes', { timeoutMs: 60_000 });
      await hive.program.kill();
      await stream.waitFor(() => stream.broken || stream.ended, 'the end of the connection');
      check(seen());
      hive = await fleet.restart(hive);
    }
    fleet.hub.throttle(null);
    const { stream, seen } = await follow();
    const events = await stream.toEnd();
    check(seen());
    expect(last.bytes_wasted).toBeGreaterThanOrEqual(lost);
    expect(jsonOf(events.at(-1))).toMatchObject({ bytes: jsonOf(events.at(-1))['total'] });
  } finally {
    await fleet.close();
  }
});

import type { HiveHeartbeat } from '@rbee/contract';
import { type TempDir, tempDir } from '@rbee/testing';
import { type FakeHive, heartbeatOf, startFakeHive } from './fake-hive.ts';
import { api, queenIn, type RunningQueen } from './queen.ts';

const BEAT_MS = 500;

/** A real queen with hives whose responses are scripted. */
export interface FakeFleet {
  readonly queen: RunningQueen;
  readonly folder: TempDir;
  hive(name: string): FakeHive;
  /** A further heartbeat of a hive, and what its next ones say. */
  beat(name: string, more?: Partial<HiveHeartbeat>): void;
  close(): Promise<void>;
}

export async function startFakeFleet(
  names: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<FakeFleet> {
  const folder = await tempDir();
  const hives = new Map<string, FakeHive>();
  const timers: NodeJS.Timeout[] = [];
  const beats = new Map<string, (more?: Partial<HiveHeartbeat>) => void>();
  for (const name of names) {
    const hive = await startFakeHive();
    const channel = hive.channel();
    let last: Partial<HiveHeartbeat> = {};
    const beat = (more = last) => {
      last = more;
      channel.publish(
        { event: 'heartbeat', data: heartbeatOf(name, hive.url, { free_bytes: 5e12, ...more }) },
        'state',
      );
    };
    // A busy machine may be late, and a hive without heartbeats is offline.
    timers.push(setInterval(() => beat(), BEAT_MS));
    beat();
    hive.serve('/v1/heartbeats/stream', channel);
    hive.serve('/v2/settings', { json: { max_bandwidth: null, max_concurrent_downloads: 3 } });
    hive.serve('/v2/models', { json: { models: [], partials: [], problems: [] } });
    hive.serve('/v2/downloads', { json: { downloads: [], next_cursor: null } });
    hive.beKnownAs(name);
    hives.set(name, hive);
    beats.set(name, beat);
  }
  const fixed = [...hives].map(([name, { url }]) => `${name}=${url}`).join(',');
  const queen = await queenIn(folder.path, { RBEE_QUEEN_HIVES: fixed, ...env });
  for (;;) {
    const { body } = await api('GET', `${queen.url}/v1/info`);
    if (body['hives_online'] === names.length) break;
  }
  return {
    queen,
    folder,
    hive(name) {
      const hive = hives.get(name);
      if (!hive) throw new Error(`there is no ${name}`);
      return hive;
    },
    beat: (name, more) => beats.get(name)?.(more),
    async close() {
      for (const timer of timers) clearInterval(timer);
      await queen.close();
      for (const hive of hives.values()) await hive.close();
      await folder.remove();
    },
  };
}

import { hiveSchema } from '@rbee/contract';
import { createManualClock } from '@rbee/testing';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Roster } from '../../src/hives/roster.ts';
import { type FakeHive, heartbeatOf, startFakeHive } from '../support/fake-hive.ts';

const HEARTBEATS = '/v1/heartbeats/stream';

let hive: FakeHive;
let dispatcher: Agent;
let warnings: string[];
const clock = createManualClock();

beforeEach(async () => {
  hive = await startFakeHive();
  dispatcher = new Agent({ bodyTimeout: 0 });
  warnings = [];
});
afterEach(async () => {
  await hive.close();
  await dispatcher.destroy();
});

async function withRoster(work: (roster: Roster) => Promise<void>): Promise<void> {
  const log = { info: () => {}, warn: (_: object, message: string) => void warnings.push(message) };
  const roster = new Roster({ clock, dispatcher, headers: { authorization: 'Bearer t' }, log });
  try {
    await work(roster);
  } finally {
    roster.close();
  }
}

describe('the roster', () => {
  it('follows the heartbeats of a hive, with the token that hives want', async () => {
    const channel = hive.channel();
    hive.serve(HEARTBEATS, channel);
    await withRoster(async (roster) => {
      roster.addFixed('hive-a', hive.url);
      expect(roster.get('hive-a')).toMatchObject({ online: false, last_seen_at: null });
      const downloads = {
        queued: 1,
        starting: 0,
        downloading: 2,
        verifying: 0,
        paused: 0,
        complete: 9,
        failed: 0,
        cancelled: 0,
      };
      channel.publish(
        { event: 'heartbeat', data: heartbeatOf('hive-a', hive.url, { downloads, speed_bps: 5 }) },
        'state',
      );
      await hive.waitFor(() => roster.get('hive-a').online, 'the hive to be online');
      expect(hiveSchema.parse(roster.get('hive-a'))).toMatchObject({
        active_downloads: 3,
        speed_bps: 5,
        free_bytes: 1_000,
        version: '0.1.0',
      });
      expect(hive.requests[0]?.headers.authorization).toBe('Bearer t');
    });
  });

  it('takes a hive for offline after three missed beats, and back with the next one', async () => {
    const channel = hive.channel();
    hive.serve(HEARTBEATS, channel);
    await withRoster(async (roster) => {
      roster.register({ hive_id: 'hive-a', hive_url: hive.url });
      expect(roster.get('hive-a').online).toBe(true);
      clock.advance(3_000);
      expect(roster.get('hive-a').online).toBe(true);
      clock.advance(1_000);
      expect(roster.get('hive-a')).toMatchObject({ online: false, active_downloads: 0, speed_bps: 0 });
      channel.publish({ event: 'heartbeat', data: heartbeatOf('hive-a', hive.url) }, 'state');
      await hive.waitFor(() => roster.get('hive-a').online, 'the hive to be back');
    });
  });

  it('refuses a second hive of the same name while the first is online, and then takes it', async () => {
    await withRoster(async (roster) => {
      roster.register({ hive_id: 'hive-a', hive_url: hive.url });
      const other = { hive_id: 'hive-a', hive_url: 'http://127.0.0.1:1' };
      expect(() => roster.register(other)).toThrow(expect.objectContaining({ code: 'STATUS_CONFLICT' }));
      expect(roster.register({ hive_id: 'hive-a', hive_url: hive.url }).hive_url).toBe(hive.url);
      clock.advance(4_000);
      expect(roster.register(other)).toMatchObject({ hive_url: other.hive_url, online: true });
      expect(roster.list()).toHaveLength(1);
    });
  });

  it('says so when a hive refuses its heartbeats, and does not ask in a hot loop', async () => {
    hive.serve(HEARTBEATS, 401);
    await withRoster(async (roster) => {
      roster.addFixed('hive-a', hive.url);
      await hive.waitFor(() => warnings.length === 1, 'the warning');
      expect(hive.requests).toHaveLength(1);
      hive.serve(HEARTBEATS, hive.channel());
      clock.advance(5_000);
      await hive.waitFor(() => hive.requests.length === 2, 'the next try');
    });
  });

  it('names the hives there are to whoever asks for another', async () => {
    await withRoster(async (roster) => {
      expect(() => roster.get('nobody')).toThrow(expect.objectContaining({ hint: 'no hive has registered yet' }));
      roster.register({ hive_id: 'hive-a', hive_url: hive.url });
      expect(() => roster.get('nobody')).toThrow(
        expect.objectContaining({ code: 'HIVE_NOT_FOUND', hint: 'there is hive-a' }),
      );
    });
  });
});

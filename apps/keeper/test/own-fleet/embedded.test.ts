import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createWatch, type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FleetOptions, startFleet } from '../../src/own-fleet/embedded.ts';
import { embeddedEnv, upEnv } from '../../src/own-fleet/fleet-env.ts';

const QUEEN = fileURLToPath(new URL('../support/fake-queen-daemon.mjs', import.meta.url));
const HIVE = fileURLToPath(new URL('../support/fake-hive-daemon.mjs', import.meta.url));

let notes: TempDir;
beforeEach(async () => {
  notes = await tempDir();
});
afterEach(() => notes.remove());

function fleetOptions(env: Record<string, string> = {}, changes: Partial<FleetOptions> = {}): FleetOptions {
  return {
    bins: { queen: QUEEN, hive: HIVE },
    ...embeddedEnv({ PATH: process.env.PATH, FAKE_NOTES: notes.path, ...env }),
    temporaryState: true,
    token: null,
    onLeave: () => () => {},
    signal: new AbortController().signal,
    ...changes,
  };
}

interface Note {
  readonly pid: number;
  readonly env: Record<string, string>;
}

const noteOf = async (name: 'QUEEN' | 'HIVE'): Promise<Note> =>
  JSON.parse(await readFile(join(notes.path, name), 'utf8'));

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('a fleet started by the keeper', () => {
  it('listens on free ports, names its models folder, and is gone with its state after stop', async () => {
    const fleet = await startFleet(fleetOptions());
    const [queen, hive] = await Promise.all([noteOf('QUEEN'), noteOf('HIVE')]);
    expect(fleet).toMatchObject({ hiveId: 'local', modelsDir: '/the/models' });
    expect(hive.env.RBEE_HIVE_QUEEN_URL).toBe(fleet.queenUrl);
    const stateDir = queen.env.RBEE_QUEEN_STATE_DIR ?? '';
    expect(existsSync(stateDir)).toBe(true);
    await fleet.stop();
    expect([queen.pid, hive.pid].map(isRunning)).toEqual([false, false]);
    expect(existsSync(stateDir)).toBe(false);
  });

  it('reports the output of a daemon with bad settings, and leaves nothing running', async () => {
    await expect(startFleet(fleetOptions({ FAKE_HIVE: 'bad-settings' }))).rejects.toMatchObject({
      code: 'DAEMON_FAILED',
      exitCode: 1,
      message: 'the hive exited unexpectedly (exit code 78): bad settings:\n  - RBEE_HIVE_PORT: it is odd',
    });
    expect(isRunning((await noteOf('QUEEN')).pid)).toBe(false);
  });

  it('reports a daemon that exits later', async () => {
    const fleet = await startFleet(fleetOptions());
    process.kill((await noteOf('HIVE')).pid, 'SIGKILL');
    expect(await fleet.failed).toMatchObject({ message: 'the hive exited unexpectedly (SIGKILL)' });
    await fleet.stop();
  });

  it('stops what it has started when interrupted', async () => {
    const interrupt = new AbortController();
    const starting = startFleet(fleetOptions({ FAKE_HIVE: 'silent' }, { signal: interrupt.signal }));
    const watch = createWatch(() => notes.path);
    await watch.waitFor(() => existsSync(join(notes.path, 'HIVE')), 'the hive');
    interrupt.abort(new Error('interrupted'));
    await expect(starting).rejects.toThrow('interrupted');
    const pids = [(await noteOf('QUEEN')).pid, (await noteOf('HIVE')).pid];
    expect(pids.map(isRunning)).toEqual([false, false]);
  });

  it('passes on errors that a daemon logs', async () => {
    const troubles: string[] = [];
    const onTrouble = (daemon: string, message: string) => troubles.push(`${daemon}: ${message}`);
    const fleet = await startFleet(fleetOptions({ FAKE_HIVE: 'troubled' }, { onTrouble }));
    await fleet.stop();
    expect(troubles).toEqual(['hive: the disk does not answer']);
  });

  it('[F4] leaves nothing after an immediate exit', async () => {
    const cleanUps: (() => void)[] = [];
    const onLeave = (cleanUp: () => void) => {
      cleanUps.push(cleanUp);
      return () => {};
    };
    const fleet = await startFleet(fleetOptions({}, { onLeave }));
    const queen = await noteOf('QUEEN');
    for (const cleanUp of cleanUps) cleanUp();
    await fleet.failed;
    expect(existsSync(queen.env.RBEE_QUEEN_STATE_DIR ?? '')).toBe(false);
    await fleet.stop();
  });
});

describe('the settings of its daemons', () => {
  it('ignore the settings of other queens and hives', () => {
    const { env } = embeddedEnv({
      HF_TOKEN: 'hf_x',
      RBEE_API_TOKEN: 'a-token-for-another',
      RBEE_QUEEN_URL: 'http://other',
      RBEE_HIVE_PORT: '7835',
      RBEE_HIVE_MODELS_DIR: '/models',
      RBEE_HIVE_MAX_CONNECTIONS: '4',
    });
    expect(env).toEqual({ HF_TOKEN: 'hf_x', RBEE_HIVE_MODELS_DIR: '/models', RBEE_HIVE_MAX_CONNECTIONS: '4' });
  });

  it('have the default ports for `up` unless set, and share one token', () => {
    expect(upEnv({}, null, null)).toEqual({
      env: {},
      queenEnv: { RBEE_LOG_LEVEL: 'info' },
      hiveEnv: { RBEE_LOG_LEVEL: 'info' },
    });
    const { queenEnv, hiveEnv } = upEnv({ RBEE_API_TOKEN: 'secret', RBEE_QUEEN_TOKEN: 'other' }, 1, 2);
    expect(queenEnv).toMatchObject({ RBEE_QUEEN_PORT: '1', RBEE_HIVE_TOKEN: 'secret' });
    expect(hiveEnv).toMatchObject({ RBEE_HIVE_PORT: '2', RBEE_QUEEN_TOKEN: 'other' });
  });
});

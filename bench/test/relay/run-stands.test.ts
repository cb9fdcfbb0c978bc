import { join } from 'node:path';
import { tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { contenderNames, whyNot } from '../../src/relay/contenders.ts';
import { runStands } from '../../src/relay/run-stands.ts';
import { scenarios } from '../../src/relay/scenarios.ts';

const path = process.env['PATH'] ?? '';
let folder: Awaited<ReturnType<typeof tempDir>>;
beforeEach(async () => {
  folder = await tempDir();
});
afterEach(() => folder.remove());

/** Those that can be started without a build. */
const present = contenderNames.filter((name) => name !== 'rbee' && whyNot(name, path) === null);

describe('a scenario of the relay', () => {
  test('gives every event to every reader of every server, in bursts and at a pace', async () => {
    const runs: string[] = [];
    const common = { contenders: present, readers: 40, rounds: 1, path, signal: AbortSignal.timeout(60_000) };
    const onRun = (round: number, contender: string): void => void runs.push(`${round} ${contender}`);
    const burst = { ...scenarios.burst, events: { kind: 'burst', count: 5 } } as const;
    const inBursts = await runStands({ ...common, scenario: burst, folder: join(folder.path, 'burst'), onRun });
    const crowd = { ...scenarios.crowd, events: { kind: 'pace', perSecond: 20, seconds: 1 } } as const;
    const paced = await runStands({ ...common, scenario: crowd, folder: join(folder.path, 'crowd'), onRun });
    for (const samples of [inBursts, paced]) {
      expect(Object.keys(samples)).toEqual(present);
      for (const [sample] of Object.values(samples)) expect(sample?.p99Ms).toBeGreaterThan(0);
    }
    expect(paced['node-http']?.[0]?.longestStopMs).toBeGreaterThanOrEqual(0);
    const each = [0, 1].flatMap((round) => present.map((name) => `${round} ${name}`));
    expect(runs).toEqual([...each, ...each]);
  }, 90_000);
});

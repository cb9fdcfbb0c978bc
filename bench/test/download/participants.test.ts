import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findCommand, type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { clientNames, clients } from '../../src/download/clients.ts';
import { scenarioNames, scenarios } from '../../src/download/scenarios.ts';

let folder: TempDir;
beforeEach(async () => {
  folder = await tempDir();
});
afterEach(() => folder.remove());

describe('findCommand', () => {
  test('finds executable files, in the order of the path', async () => {
    const command = join(folder.path, 'a-command-of-this-test');
    await writeFile(command, '');
    expect(findCommand('a-command-of-this-test', `/nowhere:${folder.path}`)).toBeNull();
    await chmod(command, 0o755);
    expect(findCommand('a-command-of-this-test', `/nowhere::${folder.path}`)).toBe(command);
  });
});

describe('tables', () => {
  test('have one scenario per name, with targets over peers that take part', () => {
    expect(scenarios.map(({ name }) => name)).toEqual([...scenarioNames]);
    for (const { peers, targets } of scenarios) {
      for (const target of targets) if (target.kind === 'ratio') expect(peers).toContain(target.over);
    }
  });

  test('have clients that write into their own folder and trust the origin over TLS', () => {
    const job = {
      url: 'https://127.0.0.1:1/model.bin',
      hubUrl: 'https://127.0.0.1:1',
      folder: '/tmp/own',
      sizeBytes: 1,
      sha256: 'a'.repeat(64),
      caFile: '/tmp/ca.pem',
      connections: 16,
    };
    for (const name of clientNames) {
      const { steps, output } = clients[name].plan(job);
      expect(output.startsWith('/tmp/own/')).toBe(true);
      const [first] = steps;
      // Node.js gets the certificate through its environment.
      const isTrusting = first?.[0] === process.execPath || first?.some((word) => word.includes('/tmp/ca.pem'));
      expect([name, isTrusting]).toEqual([name, true]);
    }
  });
});

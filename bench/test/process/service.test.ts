import { describe, expect, test } from 'vitest';
import { cpuSecondsOfTree } from '../../src/process/proc.ts';
import { startService } from '../../src/process/service.ts';

const node = (code: string) => startService(process.execPath, ['-e', code]);

describe('startService', () => {
  test('resolves with the first line, and stops the service', async () => {
    const service = await node('console.log("ready"); setInterval(() => {}, 1000)');
    expect(await service.firstLine).toBe('ready');
    await service.stop();
    expect(await service.ended).toBe('');
  });

  test('rejects with the stderr of a service that ends without a line', async () => {
    const service = await node('process.stderr.write("no room"); process.exit(1)');
    await expect(service.firstLine).rejects.toThrow('no room');
    expect(await service.ended).toBe('no room');
    await service.stop();
  });

  test('rejects when the command does not exist', async () => {
    await expect(startService('/nowhere/to/be/found', [])).rejects.toThrow('ENOENT');
  });
});

describe.runIf(process.platform === 'linux')('the CPU time of a tree', () => {
  test('includes running and ended children', async () => {
    const burn = `const start = process.cpuUsage();
      for (;;) { const { user, system } = process.cpuUsage(start); if (user + system > 100_000) break; }`;
    // Ends with the process that holds the other end of its input.
    const stay = `${burn} console.log('burnt'); process.stdin.resume().once('end', () => process.exit());`;
    const service = await node(`
      const { spawn, spawnSync } = require('node:child_process');
      { ${burn} }
      spawnSync(process.execPath, ['-e', ${JSON.stringify(burn)}]);
      const running = spawn(process.execPath, ['-e', ${JSON.stringify(stay)}]);
      running.stdout.once('data', () => console.log('ready'));
      setInterval(() => {}, 1000);
    `);
    await service.firstLine;
    const seconds = cpuSecondsOfTree(service.pid);
    await service.stop();
    expect(seconds).toBeGreaterThan(0.28);
  });

  test('is 0 for a process that is gone', async () => {
    const service = await node('');
    await service.ended;
    expect(cpuSecondsOfTree(service.pid)).toBe(0);
  });
});

import { describe, expect, test } from 'vitest';
import { cpuSecondsOfTree } from '../../src/process/proc.ts';
import { startService } from '../../src/process/service.ts';

const node = (code: string) => startService(process.execPath, ['-e', code]);

describe('startService', () => {
  test('gives the first line, and ends the service when asked', async () => {
    const service = await node('console.log("ready"); setInterval(() => {}, 1000)');
    expect(await service.firstLine).toBe('ready');
    await service.stop();
    expect(await service.ended).toBe('');
  });

  test('a service that ends without a line says why', async () => {
    const service = await node('process.stderr.write("no room"); process.exit(1)');
    await expect(service.firstLine).rejects.toThrow('no room');
    expect(await service.ended).toBe('no room');
    await service.stop();
  });

  test('a command that is not there is an error', async () => {
    await expect(startService('/nowhere/to/be/found', [])).rejects.toThrow('ENOENT');
  });
});

test.runIf(process.platform === 'linux')(
  'the CPU time of a tree counts children that run and that have ended',
  async () => {
    const burn =
      'const start = process.cpuUsage(); do for (let i = 0; i < 1e6; i += 1); while (process.cpuUsage(start).user < 500000);';
    const service = await node(`
    const { spawn, spawnSync } = require('node:child_process');
    ${burn}
    spawnSync(process.execPath, ['-e', ${JSON.stringify(burn)}]);
    const running = spawn(process.execPath, ['-e', ${JSON.stringify(`${burn} console.log("burnt"); setInterval(() => {}, 1000)`)}]);
    running.stdout.once('data', () => console.log('ready'));
  `);
    await service.firstLine;
    const seconds = cpuSecondsOfTree(service.pid);
    await service.stop();
    // Three burns of half a second each; the system counts in ticks, so a little may be missing, but no whole burn.
    expect(seconds).toBeGreaterThan(1.2);
    expect(seconds).toBeLessThan(6);
  },
);

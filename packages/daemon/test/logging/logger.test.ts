import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '@rbee/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLogger, logOutput } from '../../src/logging/logger.ts';

// Goal: a daemon survives a log that cannot be written. Method: /dev/full, a device of Linux that is always full.
const FULL_DISK = '/dev/full';

describe.skipIf(!existsSync(FULL_DISK))('a log on a full disk', () => {
  it('does not throw, and writes the buffered lines once there is space again', async () => {
    const folder = await tempDir();
    onTestFinished(() => folder.remove());
    const file = join(folder.path, 'log');
    const fd = openSync(FULL_DISK, 'w');
    onTestFinished(() => closeSync(fd));
    const logger = createLogger({ name: 'test', level: 'info' }, logOutput(fd));
    for (let line = 1; line <= 3_000; line += 1) logger.info({ line }, 'x'.repeat(1_000));
    closeSync(fd);
    // The lowest free descriptor, which is the one the log writes to.
    expect(openSync(file, 'w')).toBe(fd);
    logger.info('the next line');
    logger.info('the line after it');
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ line: 1 });
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ msg: 'the line after it' });
    expect(lines.length).toBeGreaterThan(900);
    expect(lines.length).toBeLessThan(1_100);
  });
});

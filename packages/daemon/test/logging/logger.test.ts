import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isPrintable } from '@rbee/contract';
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
    // A new file gets the lowest free descriptor: at some point the one the log writes to.
    const lower = [];
    for (let free = openSync(file, 'w'); free !== fd; free = openSync(file, 'w')) lower.push(free);
    for (const other of lower) closeSync(other);
    logger.info('the next line');
    logger.info('the line after it');
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ line: 1 });
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ msg: 'the line after it' });
    expect(lines.length).toBeGreaterThan(900);
    expect(lines.length).toBeLessThan(1_100);
  });
});

describe('a line of the log', () => {
  it.each([
    ['an escape sequence', '\u001b]0;PWNED\u0007'],
    ['a C1 sequence', '\u009b2J'],
    ['an override of the direction', '\u202ex\u061c'],
    ['a line break', 'a\r\nb\u2028c\u0085d'],
    ['zero width and tags', '\u200b\ufeff\u{e0041}'],
    ['half a surrogate pair', '\ud800'],
  ])('[K9] has no character that controls a terminal, and the same text: %s', (_, hostile) => {
    const lines: string[] = [];
    const logger = createLogger({ name: 'test', level: 'info' }, { write: (line) => void lines.push(line) });
    logger.info({ model: `a${hostile}`, err: new Error(hostile) }, `b${hostile}`);
    const [line = ''] = lines;
    expect(line.endsWith('\n')).toBe(true);
    expect(isPrintable(line.slice(0, -1))).toBe(true);
    expect(JSON.parse(line)).toMatchObject({ model: `a${hostile}`, msg: `b${hostile}`, err: { message: hostile } });
  });
});

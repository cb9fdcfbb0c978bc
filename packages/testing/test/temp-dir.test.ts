import { existsSync, statSync } from 'node:fs';
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { tempDir } from '../src/temp-dir.ts';

it('makes an empty folder of its own each time and removes it with all it holds', async () => {
  const [one, two] = [await tempDir(), await tempDir()];
  expect(one.path).not.toBe(two.path);
  expect(await realpath(one.path)).toBe(one.path);
  expect(statSync(one.path).isDirectory()).toBe(true);
  await mkdir(join(one.path, 'deep/er'), { recursive: true });
  await writeFile(join(one.path, 'deep/er/file'), 'x');
  await one.remove();
  await one.remove();
  expect(existsSync(one.path)).toBe(false);
  expect(existsSync(two.path)).toBe(true);
  await two.remove();
});

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tempDir } from '@rbee/testing';
import { expect, test } from 'vitest';
import { benches } from '../src/benches.ts';
import { defineBench } from '../src/define-bench.ts';
import { rounds, UsageError } from '../src/options.ts';

const signal = new AbortController().signal;
let usedFolder = '';

const bench = defineBench({
  name: 'toy',
  title: 'A toy',
  options: { rounds: rounds(2) },
  run: async ({ options, folder }) => {
    usedFolder = folder;
    expect(existsSync(folder)).toBe(true);
    if (options.rounds === 13) throw new Error('out of luck');
    return options.rounds;
  },
  report: (result) => ({ sections: [`${result} rounds`, 'a table'], failures: result > 5 ? ['toy: too many'] : [] }),
});

async function run(...args: string[]) {
  const printed: string[] = [];
  const logged: string[] = [];
  const code = await bench.run(args, {
    ...{ signal, path: process.env.PATH ?? '' },
    print: (text) => printed.push(text),
    log: (line) => logged.push(line),
  });
  return { code, text: printed.join(''), logged };
}

test('prints the report with the machine, and removes its folder', async () => {
  const { code, text, logged } = await run();
  expect(text).toMatch(/^2 rounds\n\n\d+ x .*node \d+\.\d+\.\d+\.\n\na table\n$/);
  expect([code, logged, existsSync(usedFolder)]).toEqual([0, [], false]);
});

test('removes its folder when the run fails too', async () => {
  await expect(run('--rounds', '13')).rejects.toThrow('out of luck');
  expect(existsSync(usedFolder)).toBe(false);
});

test('fails only with a gate, and says why', async () => {
  expect(await run('--rounds', '6')).toMatchObject({ code: 0, logged: [] });
  expect(await run('--rounds', '6', '--gate')).toMatchObject({
    code: 1,
    logged: ['gate: toy: too many', 'gate: failed'],
  });
  expect(await run('--gate')).toMatchObject({ code: 0, logged: ['gate: passed'] });
});

test('writes the figures for programs', async () => {
  const folder = await tempDir();
  try {
    const file = join(folder.path, 'toy.json');
    await run('--rounds', '6', '--json', file, '--folder', folder.path);
    expect(usedFolder.startsWith(folder.path)).toBe(true);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ result: 6, failures: ['toy: too many'] });
  } finally {
    await folder.remove();
  }
});

test.each(benches)('$name shows its usage when an option is unknown', (each) => {
  expect(each.usage).toContain(`usage: npm run bench -- ${each.name} [options]\n`);
  expect(() => each.parse(['--nonsense'])).toThrow(UsageError);
  expect(() => each.parse(['--nonsense'])).toThrow(each.usage);
  expect(() => each.parse(['--gate', '--save', '--json', 'x.json', '--folder', '/x'])).not.toThrow();
});

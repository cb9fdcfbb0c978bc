import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { count, helpOf, names, parseOptions, path, rounds, size, toggle, UsageError } from '../src/options.ts';

const table = {
  only: names(['plain', 'tls'], 'scenarios'),
  size: size('2GiB', 'of the file'),
  rounds: rounds(5),
  clients: count(200, 2_000, 'in parallel'),
  json: path('FILE', null, 'writes the figures'),
  gate: toggle('ends with 1'),
};

describe('parseOptions', () => {
  test('falls back to the defaults', () => {
    const expected = { only: null, size: 2 * 1024 ** 3, rounds: 5, clients: 200, json: null, gate: false };
    expect(parseOptions([], table)).toEqual(expected);
  });

  test('reads every option', () => {
    const args = ['--only', 'tls, plain', '--size', '1.5GB', '--rounds', '3', '--json', 'a.json', '--gate'];
    expect(parseOptions(args, table)).toMatchObject({
      only: ['tls', 'plain'],
      size: 1.5e9,
      rounds: 3,
      json: resolve('a.json'),
      gate: true,
    });
  });

  test.each([
    [['--only', 'fast'], '--only does not know "fast": plain, tls'],
    [['--only', ''], '--only does not know ""'],
    [['--size', '0MiB'], '--size takes a size such as 256MiB, not "0MiB"'],
    [['--size', '12'], '--size'],
    [['--size', 'MiB'], '--size'],
    [['--rounds', '0'], '--rounds takes a number from 1 to 1000, not "0"'],
    [['--rounds', '2.5'], '--rounds'],
    [['--clients', 'all'], '--clients'],
    [['--unknown'], '--unknown'],
    [['stray'], 'stray'],
  ])('rejects %j', (args, message) => {
    expect(() => parseOptions(args, table)).toThrow(UsageError);
    expect(() => parseOptions(args, table)).toThrow(message);
  });
});

test('helpOf has a line for each option, with its default', () => {
  expect(helpOf({ size: table.size, gate: table.gate })).toBe(
    '  --size SIZE         of the file, such as 256MiB (2GiB)\n  --gate              ends with 1\n',
  );
});

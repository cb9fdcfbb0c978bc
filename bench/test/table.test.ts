import { expect, test } from 'vitest';
import { type Column, markdownTable } from '../src/table.ts';

const columns: Column[] = [
  { title: 'name', align: 'left' },
  { title: 'MB/s', align: 'right' },
];

test('a table lines its cells up and says how they are aligned', () => {
  const rows = [
    ['rbee', '7'],
    ['a longer one', '1234.5'],
  ];
  expect(markdownTable(columns, rows)).toBe(
    [
      '| name         |   MB/s |',
      '| ------------ | -----: |',
      '| rbee         |      7 |',
      '| a longer one | 1234.5 |',
    ].join('\n'),
  );
});

test('a cell cannot break the table', () => {
  expect(markdownTable(columns, [['a|b\nc', '1']])).toContain('| a\\|b c |');
});

test('a row that is too short is filled up, a title that is short still has a rule', () => {
  expect(markdownTable([{ title: '', align: 'left' }, ...columns], [['x']])).toBe(
    ['|     | name | MB/s |', '| --- | ---- | ---: |', '| x   |      |      |'].join('\n'),
  );
});

import { describe, expect, it } from 'vitest';
import { parseChallenges } from '../../../src/sources/ollama/challenge.ts';

const read = (values: string | readonly string[] | undefined) =>
  parseChallenges(values).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

const BEARER = ['bearer', { realm: 'https://a.example/t', service: 's' }];

describe('the challenges of a registry', () => {
  it.each<[string, string | string[], unknown]>([
    ['quoted', 'Bearer realm="https://a.example/t",service="s"', [BEARER]],
    ['without quotes', 'Bearer realm=https://a.example/t,service=s', [BEARER]],
    ['with blanks', 'bearer  realm = "https://a.example/t" ,\t service="s" ,', [BEARER]],
    ['in capitals', 'BEARER REALM="https://a.example/t", Service="s"', [BEARER]],
    [
      'Basic before Bearer',
      'Basic realm="x", Bearer realm="https://a.example/t",service="s"',
      [['basic', { realm: 'x' }], BEARER],
    ],
    [
      'Basic after Bearer',
      'Bearer realm="https://a.example/t",service="s",Basic realm=x',
      [BEARER, ['basic', { realm: 'x' }]],
    ],
    [
      'in two headers',
      ['Basic realm="x"', 'Bearer realm="https://a.example/t",service="s"'],
      [['basic', { realm: 'x' }], BEARER],
    ],
    ['after a bare scheme', 'Negotiate, Bearer realm="https://a.example/t",service="s"', [['negotiate', {}], BEARER]],
    [
      'after a token68',
      'Negotiate YWJj==, Bearer realm="https://a.example/t",service="s"',
      [['negotiate', {}], BEARER],
    ],
    ['with escapes', 'Bearer realm="a\\"b\\\\c"', [['bearer', { realm: 'a"b\\c' }]]],
    ['with a comma inside quotes', 'Bearer scope="a:b,c d:e"', [['bearer', { scope: 'a:b,c d:e' }]]],
    [
      'with a challenge inside quotes',
      'Basic realm="Bearer realm=\\"x\\""',
      [['basic', { realm: 'Bearer realm="x"' }]],
    ],
    ['twice the same name', 'Bearer realm="a", realm="b"', [['bearer', { realm: 'a' }]]],
    ['with an empty value', 'Bearer realm="",service="s"', [['bearer', { realm: '', service: 's' }]]],
    ['empty', '', []],
    ['only commas', ' ,, ,', []],
    [
      'an open quote',
      'Basic realm="x", Bearer realm="https://a',
      [
        ['basic', { realm: 'x' }],
        ['bearer', {}],
      ],
    ],
  ])('[H4] are read: %s', (_, values, expected) => {
    expect(read(values)).toEqual(expected);
  });

  it('[H4] are none where there is no header, or far too much of it', () => {
    expect(read(undefined)).toEqual([]);
    expect(read(`Bearer realm="${'x'.repeat(20_000)}"`)).toEqual([]);
  });
});

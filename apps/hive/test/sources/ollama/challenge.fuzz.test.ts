import { answerOf, hostileText } from '@rbee/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChallenges } from '../../../src/sources/ollama/challenge.ts';

const TOKEN = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,8}$/);
const VALUE = fc.stringMatching(/^[\x20-\x7e]{0,20}$/);

describe('challenges', () => {
  it('of any text are read in time, with schemes and names in lower case', () => {
    const words = [
      'Bearer ',
      'Basic',
      'realm=',
      'scope',
      '"',
      '\\',
      ',',
      ' ',
      '=',
      'YWJj==',
      '\t',
      'https://a/b',
    ] as const;
    fc.assert(
      fc.property(fc.array(hostileText([...words]), { maxLength: 3 }), (headers) => {
        const read = answerOf(() => parseChallenges(headers));
        if (!('value' in read)) throw new Error(`refused with ${read.code}`);
        expect(read.value.length).toBeLessThanOrEqual(20);
        for (const { scheme, parameters } of read.value) {
          expect(scheme).toBe(scheme.toLowerCase());
          for (const name of parameters.keys()) expect(name).toMatch(/^[!-~]+$/);
        }
      }),
    );
  });

  it('that are written by the grammar come back as they are', () => {
    const parameters = fc.uniqueArray(
      fc.tuple(
        TOKEN.map((name) => name.toLowerCase()),
        VALUE,
      ),
      {
        minLength: 1,
        maxLength: 5,
        selector: ([name]) => name,
      },
    );
    const challenges = fc.array(fc.record({ scheme: TOKEN, parameters }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(challenges, fc.constantFrom(',', ', ', ' ,  '), fc.boolean(), (written, comma, isSplit) => {
        const quoted = (value: string) => `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
        const texts = written.map(
          ({ scheme, parameters: own }) =>
            `${scheme} ${own.map(([name, value]) => `${name}=${quoted(value)}`).join(comma)}`,
        );
        const read = parseChallenges(isSplit ? texts : texts.join(comma));
        expect(read.map(({ scheme, parameters: own }) => ({ scheme, parameters: [...own] }))).toEqual(
          written.map(({ scheme, parameters: own }) => ({ scheme: scheme.toLowerCase(), parameters: own })),
        );
      }),
    );
  });
});

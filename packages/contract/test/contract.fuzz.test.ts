import { answerOf, hostileText } from '@rbee/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assertRepoPath,
  fromErrorBody,
  globMatcher,
  operationSchema,
  parseBandwidth,
  parseDuration,
  parseJobEnd,
  parseModelRef,
  printModelRef,
  queenOperationSchema,
  redactModelRef,
  redactRef,
  shortNameOf,
  wantedModel,
} from '../src/index.ts';

const REFS = [
  'hf:',
  'org',
  '/',
  'repo',
  '@',
  'main',
  ':',
  'Q4_K_M',
  '::file=',
  '::include=',
  '::exclude=',
  '*.gguf',
  'a.gguf',
  'https://',
  'http://',
  'host',
  '.',
  '..',
  ':443',
  '?sig=',
  '&token=',
  '%2e',
  '%00',
  '#',
  'user:pw@',
  '::sha256=',
  '0'.repeat(64),
  '[::1]',
  'ollama:',
  'library',
  'latest',
  'file://',
  '\\',
  '\0',
  '\ud800',
  '．',
] as const;
const text = hostileText(REFS);

describe('a model ref', () => {
  it('is refused with its code, or read, printed and read again as the same', () => {
    fc.assert(
      fc.property(text, (given) => {
        const read = answerOf(() => parseModelRef(given));
        if ('code' in read) return void expect(read.code).toBe('MODEL_REF_INVALID');
        const printed = printModelRef(read.value);
        expect(parseModelRef(printed)).toEqual(read.value);
        expect(printModelRef(parseModelRef(printed))).toBe(printed);
        expect(shortNameOf(read.value)).not.toMatch(/[\\/]/);
      }),
    );
  });

  it('is shown so that it can be read, and shows nothing more the second time', () => {
    const url = fc.tuple(fc.constantFrom('https://h/p?', 'http://h/?'), text).map((parts) => parts.join(''));
    fc.assert(
      fc.property(url, (given) => {
        const read = answerOf(() => parseModelRef(given));
        if ('code' in read) return;
        const shown = redactModelRef(read.value);
        if (shown.length <= 512) expect(parseModelRef(shown)).toEqual(redactRef(read.value));
        expect(redactRef(redactRef(read.value))).toEqual(redactRef(read.value));
      }),
    );
  });
});

describe('other texts from outside', () => {
  it('a path of a repo is kept as it is, or refused', () => {
    fc.assert(
      fc.property(hostileText(['a', '/', '..', '.', '\\', '\0', 'CON', ' ', '\u202e', '~', 'é']), (path) => {
        const read = answerOf(() => assertRepoPath(path, 'DOWNLOAD_FAILED'));
        if ('code' in read) return void expect(read.code).toBe('DOWNLOAD_FAILED');
        expect(read.value).toBe(path);
        expect(path.split('/')).not.toContain('..');
        expect(path.startsWith('/')).toBe(false);
      }),
    );
  });

  it('a bandwidth and a duration are numbers that can be counted with, or refused', () => {
    const units = hostileText([
      '1',
      '0',
      '.',
      '9'.repeat(20),
      'MB',
      '/s',
      'Mbit',
      'KiB',
      ' ',
      'unlimited',
      'ms',
      'h',
      '-',
      'e9',
    ]);
    fc.assert(
      fc.property(units, (given) => {
        for (const parse of [parseBandwidth, parseDuration]) {
          const read = answerOf(() => parse(given));
          if ('code' in read) expect(read.code).toBe('REQUEST_INVALID');
          else if (read.value !== null) expect(Number.isSafeInteger(read.value) && read.value >= 0).toBe(true);
        }
      }),
    );
  });

  it('the last line of a job stream is one of three ends, or none', () => {
    fc.assert(
      fc.property(hostileText(['[DONE]', '[ERROR]', ' ', '[CANCELLED]', 'x']), (line) => {
        const end = parseJobEnd(line);
        if (end !== null) expect(['completed', 'failed', 'cancelled']).toContain(end.state);
      }),
    );
  });

  it('a body of any shape is an error of the contract, or none; and an operation, or none', () => {
    const names = fc.constantFrom(
      'error',
      'code',
      'message',
      'hint',
      'operation',
      'model',
      'id',
      'job_id',
      '__proto__',
      'hive_id',
    );
    const leaf = fc.oneof(fc.constantFrom('INTERNAL', 'model_download', 'hf:a/b', '*'), fc.anything());
    const body = fc.dictionary(names, fc.oneof(leaf, fc.dictionary(names, leaf)));
    fc.assert(
      fc.property(body, (value) => {
        fromErrorBody(value);
        for (const schema of [operationSchema, queenOperationSchema]) {
          const read = schema.safeParse(value);
          if (read.success) expect(schema.parse(read.data)).toEqual(read.data);
        }
      }),
    );
  });
});

describe('globs', () => {
  const words = ['*', '?', '[', ']', '!', '-', 'a', 'b', '/', '.gguf', '**', '{', '}', '\\', 'é', '😀'] as const;

  it('of any text say yes or no, soon, whatever the path', () => {
    fc.assert(
      fc.property(hostileText(words), hostileText(['a', 'b', '/', '.gguf', 'é', '😀', '-']), (glob, path) => {
        expect(typeof globMatcher(glob)(path)).toBe('boolean');
        expect(globMatcher('*')(path)).toBe(true);
      }),
    );
  });

  it('in the fields of a request become a ref that can be read again, or are refused', () => {
    const list = fc.option(fc.array(hostileText(words), { maxLength: 2 }), { nil: undefined });
    const model = hostileText([
      'hf:org/repo',
      '@main',
      '::include=*',
      'https://h/p',
      '?sig=1',
      '::sha256=',
      '0'.repeat(64),
      'ollama:tiny',
    ]);
    const sha256 = fc.constantFrom(undefined, '0'.repeat(64), 'A'.repeat(64));
    fc.assert(
      fc.property(model, list, list, sha256, (text, include, exclude, digest) => {
        const read = answerOf(() => wantedModel({ model: text, include, exclude, sha256: digest }));
        if ('code' in read) expect(['MODEL_REF_INVALID', 'REQUEST_INVALID']).toContain(read.code);
      }),
    );
  });
});

import { hostileText } from '@rbee/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatLink,
  HUB_HEADERS,
  nextPageOf,
  parseHubRoute,
  parseLinkHeader,
  readRefusal,
  readTreeFiles,
} from '../src/index.ts';

const LINKS: [string, ...string[]] = [
  '<https://hub/a?cursor=eyJ9>; rel="next"',
  '<a>; rel=preload; as="x, y", <b>; rel="next last"',
  '<',
  ';',
  '"',
  '\\',
];

describe('a Link header', () => {
  it('is read to its end, whatever it is', () => {
    fc.assert(
      fc.property(hostileText(LINKS), (text) => {
        for (const { target, rels } of parseLinkHeader(text)) {
          expect(text).toContain(target);
          for (const rel of rels) expect(rel).toMatch(/^\S+$/);
        }
      }),
    );
  });

  it('gives its next page also behind anything that is a value by itself', () => {
    const target = fc.webUrl({ withQueryParameters: true }).map((url) => url.replaceAll('>', '%3E'));
    const quoted = fc.string().map((text) => JSON.stringify(text.replace(/[\x00-\x1f\x7f]/g, '')));
    fc.assert(
      fc.property(target, quoted, fc.boolean(), (url, title, isJoined) => {
        const values = [`</other>; rel=preload; title=${title}`, formatLink(url, 'next')];
        expect(nextPageOf(isJoined ? values.join(', ') : values)).toBe(url.trim());
      }),
    );
  });
});

describe('the headers of a refusal', () => {
  const pieces: [string, ...string[]] = [
    'RepoNotFound',
    ' ',
    '\t',
    '\r\n',
    '\x1b[31m',
    '\u202e',
    '\xc3\xa9',
    '\xff',
    '\ud800',
    'é',
  ];

  it('are one printable line of limited length, and a code, whatever they are', () => {
    const header = fc.oneof(hostileText(pieces), fc.array(hostileText(pieces), { maxLength: 3 }));
    fc.assert(
      fc.property(header, header, (sentCode, sentMessage) => {
        const sent = { [HUB_HEADERS.errorCode]: sentCode, [HUB_HEADERS.errorMessage]: sentMessage };
        const { code, message } = readRefusal(sent);
        if (code !== null) expect(code).toMatch(/^\w{1,64}$/);
        if (message === null) return;
        expect(message).not.toMatch(/^\s|\s$|\s\s|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
        expect([...message].length).toBeLessThanOrEqual(300);
      }),
    );
  });

  it('are read as they were sent where they are plain', () => {
    const text = fc.stringMatching(/^[!-~](?:[ -~]{0,200}[!-~])?$/).filter((line) => !line.includes('  '));
    fc.assert(
      fc.property(text, (message) => {
        expect(readRefusal({ [HUB_HEADERS.errorMessage]: message })).toEqual({ code: null, message });
      }),
    );
  });
});

describe('a page of a tree', () => {
  it('is read, or is none', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const files = readTreeFiles(JSON.parse(text));
        for (const { size, oid } of files ?? []) {
          expect([size === null || size >= 0, oid === null || /^[0-9a-f]{40}$/.test(oid)]).toEqual([true, true]);
        }
      }),
    );
  });
});

describe('a path', () => {
  it('is a route or none', () => {
    const pieces: [string, ...string[]] = [
      '/api/models/',
      'org/name',
      '/api/resolve-cache/models/',
      '/0123456789abcdef0123456789abcdef01234567/',
      '/tree/',
      '/resolve/',
      'refs/pr/1',
      '/raw/',
      '%2F',
      '%',
      'main',
      '/',
    ];
    fc.assert(
      fc.property(hostileText(pieces), (text) => {
        const route = parseHubRoute(text);
        if (route !== null && 'repo' in route) expect(route.repo).toMatch(/^[^/]+(?:\/[^/]+)?$/);
      }),
    );
  });
});

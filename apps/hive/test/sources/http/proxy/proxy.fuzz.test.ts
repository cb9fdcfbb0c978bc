import { hostileText } from '@rbee/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readProxies } from '../../../../src/sources/http/proxy/proxies.ts';

const URLS = ['https://hub.example', 'http://10.1.2.3:8080', 'https://[fd00::1]'].map((url) => new URL(url));

describe('the proxies of the environment', () => {
  const proxy = hostileText([
    'http',
    'socks5h',
    '://',
    ':',
    '@',
    '%',
    '%25',
    '[',
    ']',
    '::1',
    'proxy',
    '3128',
    '/',
    '#',
  ]);
  const list = hostileText(['hub.example', '.', '*', ',', ' ', '10.0.0.0', '/8', '/', ':443', '[', ']', 'fd00::', '%']);

  it('are read or refused with the name of a variable, and never throw', () => {
    fc.assert(
      fc.property(proxy, list, (value, exceptions) => {
        const problems: string[] = [];
        const proxies = readProxies({ ALL_PROXY: value, NO_PROXY: exceptions }, (problem) => problems.push(problem));
        for (const problem of problems) expect(problem).toMatch(/^(?:ALL|NO)_PROXY has |^ALL_PROXY names /);
        for (const url of URLS) {
          const found = proxies.of(url);
          if (found === null) continue;
          expect(found.port).toBeGreaterThan(0);
          expect(found.port).toBeLessThan(65_536);
          expect(URL.canParse(`http://${found.hostname.includes(':') ? `[${found.hostname}]` : found.hostname}`)).toBe(
            true,
          );
        }
      }),
    );
  });

  it('keep user and password of any text that is percent-encoded', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((each) => each.isWellFormed());
    fc.assert(
      fc.property(text, text, (user, password) => {
        const encode = (part: string) => encodeURIComponent(part);
        const value = `http://${encode(user)}:${encode(password)}@proxy.example:1`;
        const found = readProxies({ ALL_PROXY: value }, (problem) => expect.unreachable(problem)).of(URLS[0] as URL);
        expect(found?.credentials).toEqual({ user, password });
      }),
    );
  });
});

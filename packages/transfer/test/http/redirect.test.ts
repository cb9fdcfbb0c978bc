import { describe, expect, it } from 'vitest';
import { nextHop } from '../../src/http/redirect.ts';

const FROM = 'https://hub.example/a/b?c=d';

describe('a redirect', () => {
  it.each([
    ['a path', FROM, '/x', 'https://hub.example/x'],
    ['a name beside it', FROM, 'x?y=z', 'https://hub.example/a/x?y=z'],
    ['another host over the same scheme', FROM, '//cdn.example/x', 'https://cdn.example/x'],
    ['another host in backslashes', FROM, '\\\\cdn.example\\x', 'https://cdn.example/x'],
    ['https from http', 'http://hub.example/', 'https://hub.example/x', 'https://hub.example/x'],
    ['http from http', 'http://hub.example/', 'http://cdn.example/x', 'http://cdn.example/x'],
    ['a part of a page, which nobody is sent', FROM, 'https://cdn.example/x#secret', 'https://cdn.example/x'],
  ])('may lead to %s', (_, from, location, to) => {
    expect(nextHop(new URL(from), { location }).href).toBe(to);
  });

  it.each([
    ['http from https', 'http://hub.example/x'],
    ['a name and password', 'https://user:secret@cdn.example/x'],
    ['a name', 'https://secret@cdn.example/x'],
    ['a password', 'https://:secret@cdn.example/x'],
    ['credentials over the same scheme', '//user:secret@cdn.example/x'],
    ['a file', 'file:///etc/secret'],
    ['ftp', 'ftp://cdn.example/secret'],
    ['data', 'data:text/plain,secret'],
    ['javascript', 'javascript:secret'],
    ['a blob', 'blob:https://cdn.example/secret'],
    ['a socket', 'ws://cdn.example/secret'],
  ])('is refused to %s, in words that do not repeat it', (_, location) => {
    const hop = () => nextHop(new URL(FROM), { location });
    expect(hop).toThrow(expect.objectContaining({ code: 'SOURCE_NOT_ALLOWED' }));
    expect(hop).not.toThrow(/secret/);
  });

  it.each([undefined, 'http://', 'https://[fe80::1%25lo]/', 'https://256.1/'])('to %s leads nowhere', (location) => {
    expect(() => nextHop(new URL(FROM), { location })).toThrow(expect.objectContaining({ code: 'DOWNLOAD_FAILED' }));
  });
});

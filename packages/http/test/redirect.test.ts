import { describe, expect, it } from 'vitest';
import { followRedirects, maxRedirects, nextHop, redirectHops } from '../src/redirect.ts';

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

interface Sent {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Answers each URL with a redirect to the next one; the last URL answers with `status`. */
function chain(urls: readonly string[], status = 200) {
  const sent: Sent[] = [];
  const discarded: string[] = [];
  const send = async (url: URL, headers: Readonly<Record<string, string>>) => {
    sent.push({ url: url.href, headers });
    const next = urls[sent.length];
    return { status: next === undefined ? status : 302, headers: { location: next }, url: url.href };
  };
  const discard = (response: { url: string }) => void discarded.push(response.url);
  return { start: { url: new URL(urls[0] ?? ''), headers: { authorization: 'x' } }, send, discard, sent, discarded };
}

describe('followRedirects', () => {
  it('resolves with the final response, whatever its status, and discards those before it', async () => {
    const { start, send, discard, discarded } = chain(['https://a/1', 'https://a/2', 'https://b/3'], 404);
    const { url, response } = await followRedirects(start, send, { discard });
    expect(url.href).toBe('https://b/3');
    expect(response.status).toBe(404);
    expect(discarded).toEqual(['https://a/1', 'https://a/2']);
  });

  it('sends headers to the first origin only, also when a later hop leads back to it', async () => {
    const { start, send, sent } = chain(['https://a/1', 'https://a/2', 'https://b/3', 'https://a/4']);
    await followRedirects(start, send);
    expect(sent.map(({ headers }) => Object.keys(headers).length)).toEqual([1, 1, 0, 0]);
  });

  it('follows 5 redirects and refuses a sixth', async () => {
    const urls = Array.from({ length: maxRedirects + 1 }, (_, index) => `https://a/${index}`);
    const enough = chain(urls);
    await followRedirects(enough.start, enough.send);
    const { start, send, sent, discard, discarded } = chain([...urls, 'https://a/last']);
    await expect(followRedirects(start, send, { discard })).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
    expect(sent).toHaveLength(maxRedirects + 1);
    expect(discarded).toHaveLength(maxRedirects + 1);
    const own = chain([...urls, 'https://a/last']);
    const tooMany = () => new Error('enough');
    await expect(followRedirects(own.start, own.send, { tooMany })).rejects.toThrow('enough');
  });

  it('discards the response whose redirect is refused', async () => {
    const { start, send, discard, discarded } = chain(['https://a/1', 'http://a/2']);
    await expect(followRedirects(start, send, { discard })).rejects.toMatchObject({ code: 'SOURCE_NOT_ALLOWED' });
    expect(discarded).toEqual(['https://a/1']);
  });
});

describe('redirectHops', () => {
  it('sends no further request once its caller has left, and discards the redirect it left at', async () => {
    const { start, send, discard, sent, discarded } = chain(['https://a/1', 'https://a/2', 'https://a/3']);
    for await (const { url, to } of redirectHops(start, send, { discard })) {
      if (url.href === 'https://a/2') {
        expect(to?.href).toBe('https://a/3');
        break;
      }
    }
    expect(sent.map(({ url }) => url)).toEqual(['https://a/1', 'https://a/2']);
    expect(discarded).toEqual(['https://a/1', 'https://a/2']);
  });
});

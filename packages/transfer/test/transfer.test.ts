import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { transferFile } from '../src/index.ts';
import { refuse, send, serve } from './fault-server.ts';
import { createFixture, type Fixture, gitSha1Of, sha256Of } from './fixture.ts';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture();
});
afterEach(() => fixture.close());

describe('a file from a good server', () => {
  test('is byte-identical under its final name, with nothing left next to it', async () => {
    const { file, request, options, states } = fixture;
    const result = await transferFile(request(), options());
    const size = file.content.length;
    expect(result).toEqual({ bytes: size, sha256: sha256Of(file.content), reused: 0, wasted: 0 });
    expect(file.content.equals(await fixture.finalContent())).toBe(true);
    expect(await fixture.names()).toEqual(['blob']);
    expect([...new Set(states.map(({ phase }) => phase))]).toEqual(['starting', 'downloading', 'verifying']);
    expect(states.at(-1)).toMatchObject({ phase: 'verifying', bytes: size, total: size, connections: 0 });
    expect(states.some(({ connections }) => connections === 1)).toBe(true);
    const bytes = states.map((state) => state.bytes);
    expect(bytes).toEqual(bytes.toSorted((a, b) => a - b));
    expect(fixture.notices).toEqual([]);
  });

  test.each([0, 1, 65_536, 262_144, 2 * 2 ** 20 + 1])('may have %i bytes', async (size) => {
    const small = await createFixture(size);
    try {
      const { content } = small.file;
      const result = await transferFile(small.request({ gitSha1: gitSha1Of(content) }), small.options());
      expect(result).toMatchObject({ bytes: size, sha256: sha256Of(content) });
      expect(content.equals(await small.finalContent())).toBe(true);
    } finally {
      await small.close();
    }
  });

  test('may be described by its git sha1 alone, by its size alone, or by nothing', async () => {
    const { file, request, options } = fixture;
    const nothing = { size: null, sha256: null, gitSha1: null };
    const known = { size: file.content.length, gitSha1: gitSha1Of(file.content).toUpperCase() };
    for (const change of [{ ...nothing, ...known }, { ...nothing, size: known.size }, nothing]) {
      const result = await transferFile(request(change), options());
      expect(result).toMatchObject({ bytes: known.size, sha256: sha256Of(file.content) });
      expect(file.content.equals(await fixture.finalContent())).toBe(true);
    }
  });

  test('may come in chunks without a length, with a git sha1 whose header needs the size', async () => {
    const { file, request, options, server } = fixture;
    server.fallback((_request, response) => {
      response.writeHead(200);
      send(response, file.content, () => void response.end());
    });
    const result = await transferFile(request({ size: null, gitSha1: gitSha1Of(file.content) }), options());
    expect(result.bytes).toBe(file.content.length);
    expect(file.content.equals(await fixture.finalContent())).toBe(true);
  });

  test('goes into folders that are created for it, replacing what was there', async () => {
    const { folder, request, options } = fixture;
    const finalPath = join(folder, 'models', 'a', 'blob');
    await mkdir(join(folder, 'models', 'a'), { recursive: true });
    await writeFile(finalPath, 'an older file');
    await transferFile(request({ finalPath, partialPath: join(folder, 'new', 'part') }), options());
    expect((await stat(finalPath)).size).toBe(fixture.file.content.length);
    expect(await readdir(join(folder, 'new'))).toEqual([]);
  });

  test('is requested without an encoding, with the headers of its location', async () => {
    const { request, options, server } = fixture;
    const headers = { Authorization: 'Bearer t0ken' };
    await transferFile(request({ locate: async () => ({ url: `${server.url}/a.bin?x=1`, headers }) }), options());
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]).toMatchObject({
      url: '/a.bin?x=1',
      headers: { authorization: 'Bearer t0ken', 'accept-encoding': 'identity' },
    });
    expect(server.requests[0]?.headers.range).toBe('bytes=0-');
  });
});

describe('an address', () => {
  const locateIn = (urls: string[]) => {
    const asked: string[] = [];
    return {
      asked,
      locate: async () => {
        const url = urls[asked.length] ?? urls.at(-1) ?? '';
        asked.push(url);
        return { url };
      },
    };
  };

  test.each([403, 401, 404, 410])('that has expired with status %i is requested again, once', async (status) => {
    const { file, request, options, server } = fixture;
    const { asked, locate } = locateIn([`${server.url}/old`, `${server.url}/new`]);
    server.script(refuse(status));
    await transferFile(request({ locate }), options());
    expect(asked).toHaveLength(2);
    expect(server.requests.map(({ url }) => url)).toEqual(['/old', '/new']);
    expect(file.content.equals(await fixture.finalContent())).toBe(true);
  });

  test('that expires midway is renewed without losing a byte, as often as it expires', async () => {
    const { file, request, options, server } = fixture;
    const { asked, locate } = locateIn([1, 2, 3].map((n) => `${server.url}/${n}`));
    const bytes = 900_000;
    server.script(serve(file, { bytes }), refuse(403), serve(file, { bytes }), refuse(403));
    const result = await transferFile(request({ locate }), options());
    expect(asked).toHaveLength(3);
    expect(result.wasted).toBe(0);
    expect(file.content.equals(await fixture.finalContent())).toBe(true);
  });

  test.each([
    [403, 'MODEL_ACCESS_DENIED'],
    [404, 'MODEL_NOT_FOUND'],
  ])('that is refused again with status %i ends with %s and no further request', async (status, code) => {
    const { request, options, server } = fixture;
    server.fallback(refuse(status));
    await expect(transferFile(request(), options())).rejects.toMatchObject({ code });
    expect(server.requests).toHaveLength(2);
    expect(await fixture.names()).toEqual([]);
  });

  test('whose request fails for good ends the transfer with that error', async () => {
    const locate = () => Promise.reject(new TypeError('a bug'));
    await expect(transferFile(fixture.request({ locate }), fixture.options())).rejects.toThrow(TypeError);
  });
});

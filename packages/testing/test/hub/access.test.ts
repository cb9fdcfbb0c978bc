import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHub, type TestHub } from '../../src/hub/hub.ts';
import { get, head } from '../http-get.ts';

const files = { 'w.gguf': { size: 100, seed: 1 }, 'config.json': Buffer.from('{}') };
const alice = { authorization: 'Bearer hf_alice' };
const bob = { authorization: 'Bearer hf_bob' };
const stranger = { authorization: 'Bearer hf_nobody' };
const INVALID = 'Invalid credentials in Authorization header';

let hub: TestHub;

beforeAll(async () => {
  hub = await startHub({
    tokens: {
      hf_alice: { user: 'alice', repos: ['acme/gated', 'acme/private'] },
      hf_bob: { user: 'bob', repos: [] },
    },
  });
  hub.addRepo({ id: 'acme/open', files });
  hub.addRepo({ id: 'acme/gated', files, gated: true });
  hub.addRepo({ id: 'acme/private', files, private: true });
});
afterAll(() => hub.close());

describe('a file', () => {
  it.each([
    ['acme/open', 'w.gguf', 'main', {}, 302, undefined, undefined],
    ['acme/open', 'w.gguf', 'main', bob, 302, undefined, undefined],
    ['acme/open', 'w.gguf', 'main', stranger, 401, undefined, INVALID],
    ['acme/open', 'none', 'main', {}, 404, 'EntryNotFound', 'Entry not found'],
    ['acme/open', 'w.gguf', 'nope', {}, 404, 'RevisionNotFound', 'Invalid rev id: nope'],
    ['acme/none', 'w.gguf', 'main', {}, 401, 'RepoNotFound', 'Invalid username or password.'],
    ['acme/none', 'w.gguf', 'main', bob, 404, 'RepoNotFound', 'Repository not found'],
    ['acme/private', 'w.gguf', 'main', {}, 401, 'RepoNotFound', 'Invalid username or password.'],
    ['acme/private', 'w.gguf', 'main', bob, 404, 'RepoNotFound', 'Repository not found'],
    ['acme/private', 'w.gguf', 'main', alice, 302, undefined, undefined],
    ['acme/gated', 'w.gguf', 'main', {}, 401, 'GatedRepo', 'Access to model acme/gated is restricted. '],
    ['acme/gated', 'config.json', 'main', {}, 401, 'GatedRepo', 'Access to model acme/gated is restricted. '],
    ['acme/gated', 'w.gguf', 'main', bob, 403, 'GatedRepo', 'not in the authorized list'],
    ['acme/gated', 'w.gguf', 'main', alice, 302, undefined, undefined],
    ['acme/gated', 'w.gguf', 'main', stranger, 401, undefined, INVALID],
  ])('%s/%s at %s with %o is answered %i %s', async (id, path, revision, headers, status, code, message) => {
    for (const ask of [get, head]) {
      const answer = await ask(hub.resolveUrl(id, path, revision), headers);
      expect(answer.status).toBe(status);
      expect(answer.headers['x-error-code']).toBe(code);
      if (message === undefined) expect(answer.headers['x-error-message']).toBeUndefined();
      else expect(answer.headers['x-error-message']).toContain(message);
    }
  });

  it('that is missing still tells the commit', async () => {
    const answer = await get(hub.resolveUrl('acme/open', 'none'));
    expect(answer.headers['x-repo-commit']).toMatch(/^[0-9a-f]{40}$/);
  });

  it('cannot be posted to, and a path that is not well encoded is refused', async () => {
    const posted = await fetch(hub.resolveUrl('acme/open', 'config.json'), { method: 'POST', body: 'x' });
    expect(posted.status).toBe(405);
    expect((await get(`${hub.url}/acme/open/resolve/main/%E0%A4%A`)).status).toBe(400);
  });
});

describe('a listing', () => {
  it.each([
    ['acme/open', {}, 200, undefined],
    ['acme/none', {}, 401, 'RepoNotFound'],
    ['acme/none', bob, 404, 'RepoNotFound'],
    ['acme/private', {}, 401, 'RepoNotFound'],
    ['acme/private', alice, 200, undefined],
    ['acme/gated', {}, 200, undefined],
    ['acme/gated', stranger, 401, undefined],
  ])('of %s with %o is answered %i %s', async (id, headers, status, code) => {
    for (const rest of ['', '/revision/main', '/tree/main']) {
      const answer = await get(`${hub.url}/api/models/${id}${rest}`, headers);
      expect(answer.status).toBe(status);
      expect(answer.headers['x-error-code']).toBe(code);
      if (status !== 200) expect(JSON.parse(answer.body.toString())).toHaveProperty('error');
    }
  });

  it('of an unknown revision is not found', async () => {
    const answer = await get(`${hub.url}/api/models/acme/open/revision/nope`);
    expect(answer.status).toBe(404);
    expect(answer.headers['x-error-code']).toBe('RevisionNotFound');
  });
});

it('says whose a token is', async () => {
  const answer = await get(`${hub.url}/api/whoami-v2`, alice);
  expect(JSON.parse(answer.body.toString())).toMatchObject({ type: 'user', name: 'alice' });
  const unknown = await get(`${hub.url}/api/whoami-v2`, stranger);
  expect([unknown.status, unknown.headers['x-error-message']]).toEqual([401, INVALID]);
  expect((await get(`${hub.url}/api/whoami-v2`)).status).toBe(401);
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hubPaths, parseHubRoute } from '../src/index.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';

describe('the routes of a hub', () => {
  it.each([
    ['/api/whoami-v2', { kind: 'whoami' }],
    ['/api/models', { kind: 'search' }],
    ['/api/models/org/name', { kind: 'info', repo: 'org/name', revision: null }],
    ['/api/models/gpt2', { kind: 'info', repo: 'gpt2', revision: null }],
    ['/api/models/org/name/revision/main', { kind: 'info', repo: 'org/name', revision: 'main' }],
    ['/api/models/gpt2/revision/refs%2Fpr%2F1', { kind: 'info', repo: 'gpt2', revision: 'refs/pr/1' }],
    ['/api/models/org/name/tree/main', { kind: 'tree', repo: 'org/name', revision: 'main', path: '' }],
    ['/api/models/org/name/tree/refs/pr/1', { kind: 'tree', repo: 'org/name', revision: 'refs/pr/1', path: '' }],
    ['/api/models/org/name/tree/main/a/b%20c', { kind: 'tree', repo: 'org/name', revision: 'main', path: 'a/b c' }],
    ['/api/models/org/tree/tree/main', { kind: 'tree', repo: 'org/tree', revision: 'main', path: '' }],
    ['/api/models/gpt2/tree/main/a', { kind: 'tree', repo: 'gpt2', revision: 'main', path: 'a' }],
    ['/api/models/org/name/paths-info/main', { kind: 'paths-info', repo: 'org/name', revision: 'main' }],
    ['/api/models/org/name/refs', { kind: 'refs', repo: 'org/name' }],
    ['/api/models/org/name/commits/main', { kind: 'commits', repo: 'org/name', revision: 'main' }],
    ['/org/name/resolve/main/a/b.gguf', { kind: 'resolve', repo: 'org/name', revision: 'main', path: 'a/b.gguf' }],
    ['/gpt2/resolve/main/a.gguf', { kind: 'resolve', repo: 'gpt2', revision: 'main', path: 'a.gguf' }],
    ['/org/name/resolve/refs/pr/1/a', { kind: 'resolve', repo: 'org/name', revision: 'refs/pr/1', path: 'a' }],
    ['/org/name/raw/main/config.json', { kind: 'raw', repo: 'org/name', revision: 'main', path: 'config.json' }],
    [
      `/api/resolve-cache/models/org/name/${COMMIT}/a/b.json`,
      { kind: 'resolve-cache', repo: 'org/name', revision: COMMIT, path: 'a/b.json' },
    ],
    [
      `/api/resolve-cache/models/gpt2/${COMMIT}/a.json`,
      { kind: 'resolve-cache', repo: 'gpt2', revision: COMMIT, path: 'a.json' },
    ],
  ])('%s', (path, route) => {
    expect(parseHubRoute(path)).toEqual(route);
  });

  it.each([
    '/',
    '/org/name',
    '/org/name/resolve/main',
    '/org/name/resolve/main/',
    '/org/name/blob/main/a',
    '/api/models/',
    '/api/models/%2F',
    '/org%2Fname/resolve/main/a',
    '/api/models/org/a%2Fb/tree/main',
    '/api/models/org/name/xet-read-token/main',
    '/api/models/org/name/paths-info/main/more',
    '/api/models/org/name/refs/more',
    `/api/resolve-cache/models/org/name/${COMMIT}`,
    '/api/agent-harnesses',
    '/org/name/resolve/main/%E0%A4%A',
  ])('not %s', (path) => {
    expect(parseHubRoute(path)).toBeNull();
  });

  it('are read as they are built, whatever a revision and a path have in them', () => {
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,12}$/);
    const repo = fc.oneof(
      name,
      fc.tuple(name, name).map((pair) => pair.join('/')),
    );
    const part = fc.string({ minLength: 1, unit: 'grapheme' }).map((text) => text.replaceAll('/', '_').toWellFormed());
    const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    fc.assert(
      fc.property(repo, part, path, (id, revision, file) => {
        fc.pre(!/(?:^|\/)(?:api|refs|resolve|raw|tree|revision|commits|paths-info)(?:\/|$)/.test(`${id}/${revision}`));
        expect(parseHubRoute(hubPaths.resolve(id, revision, file))).toEqual({
          kind: 'resolve',
          repo: id,
          revision,
          path: file,
        });
        expect(parseHubRoute(hubPaths.info(id, revision))).toEqual({ kind: 'info', repo: id, revision });
        expect(parseHubRoute(hubPaths.tree(id, revision))).toEqual({ kind: 'tree', repo: id, revision, path: '' });
      }),
    );
  });
});

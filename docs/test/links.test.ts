import { stat } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchorOf, type Page, parsePage, ROOT, readAllPages } from './support.ts';

const pages = await readAllPages();

interface Link {
  readonly from: string;
  /** From the root. */
  readonly path: string;
  readonly anchor: string | null;
}

function linksOf(page: Page): Link[] {
  // Something that looks like a link inside code is part of an example.
  const text = page.prose.replaceAll(/`[^`]*`/g, (code) => code.replaceAll(/[[\]()]/g, ' '));
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [file = '', anchor = null] = target.split('#');
      return { from: page.path, path: file === '' ? page.path : normalize(join(dirname(page.path), file)), anchor };
    });
}

const links = pages.flatMap(linksOf);

async function exists(path: string): Promise<boolean> {
  return stat(join(ROOT, path)).then(
    () => true,
    () => false,
  );
}

describe('the links of the pages', () => {
  it('lead to files that exist', async () => {
    expect(links.length).toBeGreaterThan(20);
    const found = await Promise.all(links.map(async (link) => ({ ...link, exists: await exists(link.path) })));
    expect(found.filter((link) => !link.exists)).toEqual([]);
  });

  it('lead to headings that exist', () => {
    const byPath = new Map(pages.map((page) => [page.path, new Set(page.headings.map(anchorOf))]));
    const broken = links.filter(({ path, anchor }) => anchor !== null && !byPath.get(path)?.has(anchor));
    expect(links.some(({ anchor }) => anchor !== null)).toBe(true);
    expect(broken).toEqual([]);
  });

  it('lead to a heading whose anchor is unique on its page', () => {
    const doubled = pages.flatMap(({ path, headings }) => {
      const anchors = headings.map(anchorOf);
      return anchors.filter((anchor, index) => anchors.indexOf(anchor) < index).map((anchor) => `${path}#${anchor}`);
    });
    expect(links.filter(({ path, anchor }) => doubled.includes(`${path}#${anchor}`))).toEqual([]);
  });

  it('reach every page below docs from its index', () => {
    const reached = new Set(links.filter(({ from }) => from === 'docs/README.md').map(({ path }) => path));
    const docs = pages.map(({ path }) => path).filter((path) => path.startsWith('docs/') && path !== 'docs/README.md');
    expect(docs.filter((path) => !reached.has(path))).toEqual([]);
  });

  it('are found in prose, and not in code', () => {
    const page = parsePage('docs/x.md', '[a](b.md#c) `[d](e.md)`\n\n```sh\n[f](g.md)\n```\n\n[h](https://i)\n[j](#k)');
    expect(linksOf(page)).toEqual([
      { from: 'docs/x.md', path: 'docs/b.md', anchor: 'c' },
      { from: 'docs/x.md', path: 'docs/x.md', anchor: 'k' },
    ]);
  });
});

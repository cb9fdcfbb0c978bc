import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, realpath, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { column, ROOT, readPage, tableUnder } from './support.ts';

// Goal: the page stays true. Method: the edits of "A source", as the page shows them, on a copy of the tree, compiled and
// run. A file that the page forgets does not compile, or the ref is not resolved; an edit whose context is gone cannot be
// applied.

const page = await readPage('docs/internals/extending.md');

/** The most source files that each recipe may touch. */
const LIMITS = {
  'A source': 4,
  'A keeper command': 2,
  'A route': 4,
  'A setting': 2,
  'A metric': 2,
  'An error code': 1,
} as const;

interface Hunk {
  /** Empty for a new file. */
  readonly from: string;
  readonly to: string;
}

interface Edit {
  readonly path: string;
  readonly isNew: boolean;
  readonly hunks: readonly Hunk[];
}

/** The files below a heading that the page shows edits of. */
function editsUnder(heading: string): Edit[] {
  const fences = page.fences.filter((fence) => fence.heading === heading && fence.language === 'diff');
  return fences.map(({ lines }) => {
    const head = lines.findIndex((line) => line.startsWith('+++ '));
    const body = lines.slice(head + 1).join('\n');
    return {
      path: lines[head]?.slice('+++ '.length) ?? '',
      isNew: lines[0] === '--- /dev/null',
      hunks: body
        .split(/^@@$\n?/m)
        .slice(1)
        .map((text) => text.replace(/\n$/, '').split('\n'))
        .map((hunk) => ({ from: side(hunk, '+'), to: side(hunk, '-') })),
    };
  });
}

/** The lines of a hunk without those that only the other side has. */
function side(hunk: readonly string[], other: '+' | '-'): string {
  return hunk
    .filter((line) => !line.startsWith(other))
    .map((line) => line.slice(1))
    .join('\n');
}

async function apply(root: string, { path, isNew, hunks }: Edit): Promise<void> {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  if (isNew) return writeFile(file, `${hunks[0]?.to}\n`, { flag: 'wx' });
  let text = await readFile(file, 'utf8');
  for (const { from, to } of hunks) {
    expect(text.split(from), `${path} has this once:\n${from}`).toHaveLength(2);
    text = text.replace(from, () => to);
  }
  await writeFile(file, text);
}

/** The sources of the packages and apps, with links to what is installed; links between them stay inside the copy. */
async function copyTree(to: string): Promise<void> {
  const homes = ['packages', 'apps'].map(async (group) => {
    const names = await readdir(join(ROOT, group));
    return names.map((name) => join(group, name));
  });
  for (const home of ['.', ...(await Promise.all(homes)).flat()]) {
    await mkdir(join(to, home), { recursive: true });
    for (const name of ['package.json', 'tsconfig.json', 'tsconfig.base.json', ...(home === '.' ? [] : ['src'])]) {
      if (await exists(join(ROOT, home, name)))
        await cp(join(ROOT, home, name), join(to, home, name), { recursive: true });
    }
    await linkModules(to, join(home, 'node_modules'));
  }
}

async function linkModules(to: string, folder: string): Promise<void> {
  if (!(await exists(join(ROOT, folder)))) return;
  await mkdir(join(to, folder), { recursive: true });
  for (const name of await readdir(join(ROOT, folder))) {
    if (name.startsWith('@')) await linkModules(to, join(folder, name));
    else if (!name.startsWith('.')) {
      const inTree = relative(ROOT, await realpath(join(ROOT, folder, name)));
      const isOurs = /^(?:packages|apps)\//.test(inTree) && !inTree.includes('node_modules');
      await symlink(join(isOurs ? to : ROOT, inTree), join(to, folder, name));
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function run(cwd: string, program: string, ...args: string[]): Promise<{ ok: boolean; output: string }> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd });
    return { ok: true, output: stdout };
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    return { ok: false, output: `${stdout ?? ''}${stderr ?? String(error)}` };
  }
}

const build = (tree: string, ...projects: string[]) =>
  run(tree, join(ROOT, 'node_modules/.bin/tsc'), '-b', '--pretty', 'false', ...projects);

const USE = `
import { parseModelRef, printModelRef } from '@rbee/contract';
import { hiveSettings } from './dist/settings.js';
import { sourceOf } from './dist/sources/source.js';
import { createSources } from './dist/sources/sources.js';
import { createLayout } from './dist/store/layout.js';

const settings = { hfEndpoint: 'https://hub.example', ollamaRegistry: 'https://registry.example' };
const ref = parseModelRef('toy:bear');
const sources = createSources({ settings, http: {}, findOffline: async () => null });
const model = await sourceOf(sources, ref).resolve(ref, AbortSignal.timeout(10_000));
const [{ path, locate }] = model.files;
console.log(JSON.stringify({
  ref: printModelRef(ref),
  allowed: [...hiveSettings.allowedSources.parse('toy')],
  isOnByDefault: hiveSettings.allowedSources.fallback({}).has('toy'),
  folder: createLayout('/models/hub').placeFolder(model.place),
  path,
  location: await locate(),
}));
`;

describe('docs/internals/extending.md', () => {
  it.each(Object.entries(LIMITS))('names files that exist for "%s", at most %i', async (heading, limit) => {
    const files = column(tableUnder(page, heading), 'File');
    expect(files.length).toBeGreaterThan(0);
    expect(files.length).toBeLessThanOrEqual(limit);
    const created = editsUnder(heading).filter(({ isNew }) => isNew);
    for (const file of files) {
      if (created.some(({ path }) => path === file)) continue;
      expect(await exists(join(ROOT, file)), file).toBe(true);
    }
  });
});

describe('a source that is added as the page says', { timeout: 300_000 }, () => {
  let folder: TempDir;
  const edits = editsUnder('A source');
  beforeAll(async () => {
    folder = await tempDir();
    await copyTree(folder.path);
  }, 60_000);
  afterAll(() => folder.remove());

  it('touches the files that the page lists, except the one of settings', () => {
    const optional = 'apps/hive/src/settings.ts';
    const listed = column(tableUnder(page, 'A source'), 'File');
    expect(edits.map(({ path }) => path)).toEqual(listed.filter((path) => path !== optional));
  });

  it('does not compile without its line in the record, and with it the whole tree does', async () => {
    const record = edits.find(({ path }) => path.endsWith('/sources.ts'));
    for (const edit of edits) if (edit !== record) await apply(folder.path, edit);
    const forgotten = await build(folder.path, 'apps/hive');
    expect(forgotten.ok).toBe(false);
    expect(forgotten.output).toMatch(/apps\/hive\/src\/sources\/sources\.ts.*'toy' is missing/);
    if (record !== undefined) await apply(folder.path, record);
    expect(await build(folder.path)).toEqual({ ok: true, output: '' });
  });

  it('resolves its refs, can be allowed, and has a place in the store', async () => {
    const script = join(folder.path, 'apps/hive/use.mjs');
    await writeFile(script, USE);
    const { output } = await run(folder.path, process.execPath, script);
    expect(JSON.parse(output)).toEqual({
      ref: 'toy:bear',
      allowed: ['toy'],
      isOnByDefault: false,
      folder: expect.stringMatching(/^\/models\/hub\/models--rbee\.toy--bear--[0-9a-f]{12}$/),
      path: 'bear.gguf',
      location: { url: 'https://toys.example/bear.gguf' },
    });
  });
});

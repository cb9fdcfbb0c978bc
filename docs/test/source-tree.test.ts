import { readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesMatching, ROOT } from './support.ts';

/** In a larger folder nobody finds the right file: divide it into folders named by what is in them. */
const MAX_FILES_IN_A_FOLDER = 22;
/** The entry points of a package, which other packages import. */
const ENTRY_POINT = /^packages\/[^/]+\/src\/(?:index|plain)\.ts$/;

const files = await filesMatching('{packages/*,apps/*,bench}/src/**/*.ts');
const texts = new Map(
  await Promise.all(files.map(async (path) => [path, await readFile(join(ROOT, path), 'utf8')] as const)),
);

/** Whether a file has nothing but re-exports and comments. */
function onlyForwards(text: string): boolean {
  const rest = text
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/^\s*\/\/.*$/gm, '')
    .replaceAll(/^import [^;]* from '[^']+';/gm, '')
    .replaceAll(/^export (?:type )?(?:\{[^}]*\}|\*(?: as \w+)?)(?: from '[^']+')?;/gm, '');
  return rest.trim() === '' && /^export /m.test(text);
}

/** Files that are loaded with `import()`: a forwarding file there keeps its target out of the first load. */
const lazyLoaded = new Set(
  [...texts].flatMap(([path, text]) =>
    [...text.matchAll(/\bimport\('(\.[^']+)'\)/g)].map(([, target = '']) => normalize(join(dirname(path), target))),
  ),
);

describe('the tree of sources', () => {
  it('is found', () => {
    expect(files.length).toBeGreaterThan(200);
    expect(files).toContain('packages/contract/src/index.ts');
    expect(files).toContain('apps/keeper/src/main.ts');
  });

  it(`has at most ${MAX_FILES_IN_A_FOLDER} files in a folder`, () => {
    const counts = Map.groupBy(files, (path) => dirname(path));
    const crowded = [...counts].filter(([, { length }]) => length > MAX_FILES_IN_A_FOLDER);
    expect(crowded.map(([folder, { length }]) => `${folder}: ${length}`)).toEqual([]);
  });

  it('has no file that only forwards', () => {
    const forwarding = [...texts].filter(([, text]) => onlyForwards(text)).map(([path]) => path);
    expect(forwarding.filter((path) => ENTRY_POINT.test(path)).length).toBeGreaterThan(3);
    expect(forwarding.filter((path) => !ENTRY_POINT.test(path) && !lazyLoaded.has(path))).toEqual([]);
  });

  it.each([
    ["export { a } from './a.ts';\n", true],
    ["// Why.\nexport type { A } from './a.ts';\nexport {\n  b,\n  c,\n} from './b.ts';\n", true],
    ["/** Why. */\nexport * from './a.ts';\n", true],
    ["import { a } from './a.ts';\n\nexport { a };\n", true],
    ["export { a } from './a.ts';\nexport const b = 1;\n", false],
    ["import { a } from './a.ts';\na();\n", false],
  ])('knows a file that only forwards: %j', (text, expected) => {
    expect(onlyForwards(text)).toBe(expected);
  });
});

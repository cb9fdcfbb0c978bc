import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HIVE_PREFIX, hiveSettings } from '../../apps/hive/src/settings.ts';
import { QUEEN_PREFIX, queenSettings } from '../../apps/queen/src/settings.ts';
import { benches } from '../../bench/src/benches.ts';
import { hiveRoutes, parseModelRef, queenRoutes } from '../../packages/contract/src/index.ts';
import { flagOf, keyOf, type SettingsTable } from '../../packages/daemon/src/index.ts';
import { fullHelpOf, optionsIn } from './keeper-help.ts';
import { column, foldersOf, type Page, ROOT, readAllPages, readPage } from './support.ts';

const pages = await readAllPages();
const manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
  readonly engines: { readonly node: string };
};
const VALUELESS = [
  '--help',
  '--version',
  '--json',
  '--quiet',
  '--detach',
  '--all-hives',
  '--discard',
  '--dry-run',
  '--repair',
];

/** The commands in shell fences, without comments, and the commands in `$(…)`. */
function commandsIn(page: Page): string[][] {
  return page.fences
    .filter(({ language }) => language === 'sh')
    .flatMap(({ lines }) => lines.flatMap((line) => line.replace(/(^|\s)#.*$/, '').split('&&')))
    .flatMap((line) => [line, ...[...line.matchAll(/\$\((rbee-keeper [^)]*)\)/g)].map(([, inner = '']) => inner)])
    .map((line) => line.trim().split(/\s+/))
    .filter(([word]) => word !== undefined && word !== '');
}

const commands = pages.flatMap(commandsIn);
const startingWith = (program: string) => commands.filter(([word]) => word === program);

function flagsOfTable(table: SettingsTable, prefix: string): string[] {
  return [...Object.values(table).map(({ env }) => `--${flagOf(env, prefix)}`), '--config', '--help', '--version'];
}

describe('README.md', () => {
  it('names the commands of the project and the required Node.js', async () => {
    const { fences, prose } = await readPage('README.md');
    const shown = fences.flatMap(({ lines }) => lines).join('\n');
    expect(shown).toMatch(/^npm start\b/m);
    expect(shown).toMatch(/^npm test\b/m);
    expect(prose).toContain(`Node.js ${manifest.engines.node.replace('>=', '>= ')} with npm`);
  });
});

describe('the examples of the pages', () => {
  it('use scripts that package.json has', () => {
    const text = pages
      .map((page) => `${page.prose}\n${page.fences.flatMap(({ lines }) => lines).join('\n')}`)
      .join('\n');
    const used = [...text.matchAll(/\bnpm (?:run ([a-z:]+)|(start|test)\b)/g)].map(([, run, own]) => run ?? own);
    expect(new Set(used)).toContain('start');
    for (const name of new Set(used)) expect(Object.keys(manifest.scripts)).toContain(name);
  });

  it('use commands and options that the keeper has', async () => {
    const used = startingWith('rbee-keeper');
    expect(used.length).toBeGreaterThan(5);
    for (const [, ...words] of used) {
      const options = words.filter((word) => word.startsWith('--'));
      const from = words.findIndex((word) => !word.startsWith('--'));
      const depth = ['status', 'doctor', 'up', 'pull', 'ls'].includes(words[from] ?? '') ? 1 : 2;
      const command = words.slice(from, from + depth);
      const help = await fullHelpOf(command);
      expect(help, words.join(' ')).toMatch(new RegExp(`^Usage: rbee-keeper ${command[0]}\\b`));
      expect(help, words.join(' ')).toMatch(/\nGlobal Options:\n/);
      expect(help, `${command.join(' ')} does something`).not.toMatch(/\nCommands:\n/);
      expect(optionsIn(help), words.join(' ')).toEqual(expect.arrayContaining(options));
    }
  });

  it('use valid model refs', () => {
    const refs = commands
      .filter(([program, command]) => program === 'rbee-keeper' || (program === 'npm' && command === 'start'))
      .flatMap((words) => words.filter((word) => /^hf:|^[a-z]+\/[a-z]+/.test(word)));
    expect(refs.length).toBeGreaterThan(3);
    for (const ref of refs) expect(() => parseModelRef(ref), ref).not.toThrow();
  });

  it.each([
    ['rbee-hive', flagsOfTable(hiveSettings, HIVE_PREFIX)],
    ['rbee-queen', flagsOfTable(queenSettings, QUEEN_PREFIX)],
  ])('use flags of %s', (program, flags) => {
    const used = startingWith(program).flatMap((words) => words.filter((word) => word.startsWith('--')));
    expect(used.length).toBeGreaterThan(0);
    for (const flag of used) expect(flags).toContain(flag);
  });

  it('set environment variables that exist', async () => {
    const known = [...Object.values(hiveSettings), ...Object.values(queenSettings)].map(({ env }) => env);
    const all = pages
      .map((page) => `${page.prose}\n${page.fences.flatMap(({ lines }) => lines).join('\n')}`)
      .join('\n');
    const used = new Set(all.match(/\bRBEE_[A-Z_]+\b/g));
    expect(used.size).toBeGreaterThan(10);
    const ofTests = ['RBEE_LONG_OUTAGES', 'RBEE_FUZZ_RUNS', 'RBEE_FUZZ_SEED'];
    const ofKeeper = ['RBEE_QUEEN_URL', 'RBEE_PATH', 'RBEE_PATHS'];
    for (const name of used) expect([...known, ...ofKeeper, ...ofTests]).toContain(name);
  });

  it('run benches with options that exist', () => {
    const used = startingWith('npm').filter(([, run, name]) => run === 'run' && name === 'bench');
    expect(used.length).toBeGreaterThan(0);
    for (const [, , , , name, ...options] of used) {
      const bench = benches.find((each) => each.name === name);
      expect(bench, name).toBeDefined();
      expect(() => bench?.parse(options), options.join(' ')).not.toThrow();
    }
  });

  it('request paths that a daemon serves', () => {
    const routes = [...Object.values(hiveRoutes), ...Object.values(queenRoutes)].map(({ path }) => path);
    const served = routes.map((path) => new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`));
    const asked = startingWith('curl').flatMap((words) => words.filter((word) => word.startsWith('http')));
    expect(asked.length).toBeGreaterThan(0);
    for (const url of asked)
      expect(
        served.some((path) => path.test(new URL(url).pathname)),
        url,
      ).toBe(true);
  });

  it('have settings files with keys of a hive', async () => {
    const { fences } = await readPage('docs/reference/settings.md');
    const keys = fences.filter(({ language }) => language === 'toml').flatMap(({ lines }) => lines);
    const known = Object.values(hiveSettings).map(({ env }) => keyOf(env, HIVE_PREFIX));
    const used = keys.flatMap((line) => /^(\w+) =/.exec(line)?.[1] ?? []);
    expect(used.length).toBeGreaterThan(0);
    for (const key of used) expect(known).toContain(key);
  });

  it('give a value to each option that takes one', () => {
    for (const words of ['rbee-keeper', 'rbee-hive', 'rbee-queen'].flatMap(startingWith)) {
      for (const [index, word] of words.entries()) {
        if (!word.startsWith('--') || word.includes('=') || VALUELESS.includes(word)) continue;
        expect(words[index + 1] ?? '--', words.join(' ')).not.toMatch(/^--/);
      }
    }
  });
});

describe('the pages of the packages', async () => {
  it.each(await foldersOf('packages'))('%s names what it exports', async (home) => {
    const { tables } = await readPage(`${home}/README.md`);
    const [table] = tables;
    const names = table === undefined ? [] : column(table, 'Main names').flatMap((text) => text.split(', '));
    expect(names.length).toBeGreaterThan(0);
    const exported = Object.keys((await import(join(ROOT, home, 'src/index.ts'))) as object);
    for (const name of names) expect(exported).toContain(name);
  });
});

// Makes two files of the built keeper, so that it starts fast: `quick.cjs` has help, lists and completion, `full.cjs` has
// everything and is loaded for all else. They are CommonJS: what an ES module imports of Node is read name by name first,
// and that alone takes longer than a list. Run with the project's own Node.js after a build; does nothing when there is
// nothing to do.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../apps/keeper/dist', import.meta.url));
const buildInfo = join(dist, '../tsconfig.tsbuildinfo');
const timeOf = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);

/** What only commands of `full.cjs` load when they run. In `quick.cjs` none of them does: the line is handed over first. */
const HEAVY_IMPORTER = /\/actions\/(?:fleet|model|download|job)-actions\.js$/;
const HEAVY = /\/(?:client|embedded|fleet-env|bars)\.js$/;
const FULL_FILE = './full.cjs';
const FULL_PROGRAM = `export const loadFullProgram = () => Promise.resolve(require(${JSON.stringify(FULL_FILE)}));`;
/** `quick.cjs` reads no schema, so it needs only something that can be chained as schemas are where they are made. */
const NO_SCHEMAS = `
  const refuse = () => { throw new Error('quick.cjs has no schemas'); };
  const chain = new Proxy(() => chain, {
    get: (_, name) => (name === 'parse' || name === 'safeParse' ? refuse : name === Symbol.toPrimitive ? () => '' : chain),
  });
  export const z = chain;`;

/** What stands in `quick.cjs` for modules that take long to load. */
const STAND_INS = {
  zod: NO_SCHEMAS,
  // commander would start programs as commands, of which this one has none.
  'node:child_process': 'export default {};',
  'node:process': 'export default process;',
};

const quickOnly = {
  name: 'quick-only',
  resolveId(id, importer, { kind }) {
    if (id === FULL_FILE) return { id, external: true };
    if (Object.hasOwn(STAND_INS, id)) return id;
    const isHeavy = kind === 'dynamic-import' && (HEAVY_IMPORTER.test(importer ?? '') || HEAVY.test(id));
    return isHeavy ? { id, external: true } : null;
  },
  load(id) {
    return STAND_INS[id] ?? (id === join(dist, 'full-program.js') ? FULL_PROGRAM : null);
  },
};

if (Math.min(timeOf(join(dist, 'quick.cjs')), timeOf(join(dist, 'full.cjs'))) < timeOf(buildInfo)) await bundle();

async function bundle() {
  const { rolldown } = await import('rolldown');
  await write(rolldown, 'run.js', 'full.cjs', []);
  await write(rolldown, 'main.js', 'quick.cjs', [quickOnly]);
}

async function write(rolldown, input, file, plugins) {
  const build = await rolldown({
    input: join(dist, input),
    platform: 'node',
    plugins,
    treeshake: { moduleSideEffects: false },
    checks: { ineffectiveDynamicImport: false },
    logLevel: 'warn',
  });
  // One file: a module that is a file of its own takes longer to find than to run.
  const codeSplitting = { groups: [{ name: file, test: /./ }] };
  await build.write({ dir: dist, format: 'cjs', entryFileNames: file, chunkFileNames: `part-${file}`, codeSplitting });
  await build.close();
}

// Bundles the built keeper as two files, so that it starts fast: `quick.cjs` has help, lists and completion; `full.cjs`
// has everything and is loaded for all other commands. They are CommonJS: an ES module reads the names of what it imports
// from Node one by one, which alone takes longer than a list. Run with the project's own Node.js after a build; does
// nothing if the files are newer than the build.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../apps/keeper/dist', import.meta.url));
const buildInfo = join(dist, '../tsconfig.tsbuildinfo');
const timeOf = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);

/**
 * The modules that `quick.cjs` may import dynamically: the ones that light commands need. All others stay out of it, since it hands
 * their commands over to `full.cjs` before they run.
 */
const LIGHT =
  /\/(?:complete|install|rbee-error|queen-probe|parse-keeper-file|lists|list-client|list-text|create-renderer|waiting-line|json|lines|style|full-program)\.js$/;
const FULL_FILE = './full.cjs';
const FULL_PROGRAM = `export const loadFullProgram = () => Promise.resolve(require(${JSON.stringify(FULL_FILE)}));`;
/** `quick.cjs` parses with no schema, so a stand-in that only supports chaining is enough to define them. */
const NO_SCHEMAS = `
  const refuse = () => { throw new Error('quick.cjs has no schemas'); };
  const chain = new Proxy(() => chain, {
    get: (_, name) => (name === 'parse' || name === 'safeParse' ? refuse : name === Symbol.toPrimitive ? () => '' : chain),
  });
  export const z = chain;`;

/** Replacements in `quick.cjs` for modules that load slowly. */
const STAND_INS = {
  zod: NO_SCHEMAS,
  // commander needs it only for commands that are programs of their own.
  'node:child_process': 'export default {};',
  'node:process': 'export default process;',
};

const quickOnly = {
  name: 'quick-only',
  resolveId(id, _, { kind }) {
    if (id === FULL_FILE) return { id, external: true };
    if (Object.hasOwn(STAND_INS, id)) return id;
    return kind === 'dynamic-import' && !LIGHT.test(id) ? { id, external: true } : null;
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
  // One file: looking up a module takes longer than running it.
  const codeSplitting = { groups: [{ name: file, test: /./ }] };
  await build.write({ dir: dist, format: 'cjs', entryFileNames: file, chunkFileNames: `part-${file}`, codeSplitting });
  await build.close();
}

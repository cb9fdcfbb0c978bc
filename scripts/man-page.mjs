// Writes the manual pages of the keeper from the built program. Run with the project's own Node.js after a build; does
// nothing if they are newer than the build.
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const keeper = fileURLToPath(new URL('../apps/keeper', import.meta.url));
const page = join(keeper, 'dist/man/rbee-keeper.1');
const timeOf = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);

if (timeOf(page) < timeOf(join(keeper, 'tsconfig.tsbuildinfo'))) {
  const [{ buildProgram }, { manPage }, { keeperVersion }] = await Promise.all(
    ['program', 'man-page', 'version'].map((name) => import(join(keeper, `dist/${name}.js`))),
  );
  const version = keeperVersion();
  const date = new Date(timeOf(join(keeper, 'tsconfig.tsbuildinfo'))).toISOString().slice(0, 10);
  mkdirSync(join(keeper, 'dist/man'), { recursive: true });
  writeFileSync(
    page,
    manPage(
      buildProgram(version, async () => {}, null),
      version,
      date,
    ),
  );
  writeFileSync(join(keeper, 'dist/man/rbee.1'), '.so man1/rbee-keeper.1\n');
}

// Lists the tests of the files in its arguments, also those that are skipped on this machine, and runs none. Prints one JSON line.
import { fileURLToPath } from 'node:url';
import { createVitest } from 'vitest/node';

const root = fileURLToPath(new URL('../..', import.meta.url));
const vitest = await createVitest({ root, config: 'vitest.workspace.ts', watch: false, reporters: [] });
try {
  const { testModules, unhandledErrors } = await vitest.collect(process.argv.slice(2), { staticParse: false });
  const broken = testModules.flatMap((module) =>
    module.errors().map(({ message }) => `${module.moduleId}: ${message}`),
  );
  if (broken.length + unhandledErrors.length > 0) throw new AggregateError(unhandledErrors, broken.join('\n'));
  const tests = testModules.flatMap((module) =>
    [...module.children.allTests()].map(({ fullName }) => ({ name: fullName, file: module.moduleId })),
  );
  console.log(`\n${JSON.stringify(tests)}`);
} finally {
  await vitest.close();
}

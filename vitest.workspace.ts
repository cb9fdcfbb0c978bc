import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Only a test that hangs takes this long. `npm run fuzz` runs many more cases of each property than a test run has time for. */
const unitTimeout = process.env['RBEE_FUZZ_RUNS'] === undefined ? 180_000 : 3_600_000;
const e2eTimeout = 240_000;
const setupFiles = ['./scripts/fuzz-setup.ts'];

const fromSource = { resolve: { conditions: ['@rbee/source'] }, ssr: { resolve: { conditions: ['@rbee/source'] } } };

// Tests start programs by the hundred. With a cache of their compiled code each needs half the CPU time to start.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('node_modules/.cache/rbee-compile', import.meta.url));

/** Packages and apps run on their TypeScript sources (condition `@rbee/source`), `e2e` runs the built programs as processes. */
export default defineConfig({
  test: {
    // Tests wait for processes and sockets a third of the time, so one worker per core would leave cores idle.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    projects: [
      {
        ...fromSource,
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts', 'bench/test/**/*.test.ts'],
          testTimeout: unitTimeout,
          hookTimeout: unitTimeout,
          setupFiles,
        },
      },
      {
        ...fromSource,
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts', 'docs/test/**/*.test.ts'],
          testTimeout: e2eTimeout,
          hookTimeout: e2eTimeout,
        },
      },
    ],
  },
});

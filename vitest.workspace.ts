import { defineConfig } from 'vitest/config';

/** `npm run fuzz` asks for many more cases of each property than a test run has time for. */
const fuzzTimeout = process.env['RBEE_FUZZ_RUNS'] === undefined ? 20_000 : 3_600_000;
const setupFiles = ['./scripts/fuzz-setup.ts'];

const fromSource = { resolve: { conditions: ['@rbee/source'] }, ssr: { resolve: { conditions: ['@rbee/source'] } } };

/** Packages and apps run on their TypeScript sources (condition `@rbee/source`), `e2e` runs the built programs as processes. */
export default defineConfig({
  test: {
    // Tests wait for processes and sockets more than they compute, so that one worker for two cores would leave them idle.
    maxWorkers: '100%',
    projects: [
      {
        ...fromSource,
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts', 'bench/test/**/*.test.ts'],
          testTimeout: fuzzTimeout,
          setupFiles,
        },
      },
      {
        ...fromSource,
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts', 'docs/test/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});

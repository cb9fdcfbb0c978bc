import { defineConfig } from 'vitest/config';

/**
 * Every package and app is a vitest project that runs on its TypeScript sources (condition `@rbee/source`).
 * `e2e` runs the built programs as processes; it starts the daemons, so it runs one file at a time.
 */
const fromSource = { resolve: { conditions: ['@rbee/source'] }, ssr: { resolve: { conditions: ['@rbee/source'] } } };

export default defineConfig({
  test: {
    projects: [
      {
        ...fromSource,
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts', 'bench/test/**/*.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        ...fromSource,
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts', 'docs/test/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});

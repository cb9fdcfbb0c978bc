import fc from 'fast-check';

// Every property of a test run has the same cases each time, so that a red run is red again. `npm run fuzz` chooses others.
const seed = Number(process.env['RBEE_FUZZ_SEED'] ?? 20_260_101);
const runs = process.env['RBEE_FUZZ_RUNS'];
fc.configureGlobal({
  seed,
  ...(runs === undefined ? {} : { numRuns: Number(runs), interruptAfterTimeLimit: 3_000_000 }),
});

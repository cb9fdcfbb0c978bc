import type { Io } from './io.ts';

/** The program with every command. */
export interface FullProgram {
  runProgram(words: readonly string[], io: Io): Promise<number>;
}

/**
 * Loads the full program from the quick one. Null here: `scripts/bundle-keeper.mjs` replaces this module in the bundle
 * that starts fast.
 */
export const loadFullProgram: (() => Promise<FullProgram>) | null = null;

import type { Io } from './session.ts';

/** The program with every command. */
export interface FullProgram {
  runProgram(words: readonly string[], io: Io): Promise<number>;
}

/**
 * Loads the part that can do everything, where the program comes in two: `scripts/bundle-keeper.mjs` puts a module in
 * the place of this one then. Null where it is whole.
 */
export const loadFullProgram: (() => Promise<FullProgram>) | null = null;

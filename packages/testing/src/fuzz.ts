import fc from 'fast-check';

/** CPU time: more for a single text means that a parser can be made to hang, and time on a busy machine does not count. */
const MAX_CASE_MS = 5_000;
const MAX_PARTS = 40;

/** The outcome of a parser: a value, or an error code of the contract. */
export type Answered<T> = { readonly value: T } | { readonly code: string };

/**
 * Text as an attacker writes it: characters of every kind, or the words of a grammar in any order with noise in between.
 * The words make it likely to get far into a parser.
 */
export function hostileText(words: readonly [string, ...string[]]): fc.Arbitrary<string> {
  const noise = fc.string({ unit: 'binary', maxLength: 6 });
  const part = fc.oneof({ arbitrary: fc.constantFrom(...words), weight: 4 }, { arbitrary: noise, weight: 1 });
  const parts = fc.array(part, { maxLength: MAX_PARTS }).map((all) => all.join(''));
  const repeated = fc.tuple(fc.constantFrom(...words), fc.integer({ min: 1, max: 3_000 }));
  return fc.oneof(
    { arbitrary: parts, weight: 8 },
    { arbitrary: fc.string({ unit: 'binary' }), weight: 2 },
    { arbitrary: repeated.map(([word, times]) => word.repeat(times)), weight: 1 },
  );
}

/**
 * The outcome of a parser. An error without a code of the contract is a bug and is rethrown; a case that takes seconds throws
 * too.
 */
export function answerOf<T>(parse: () => T): Answered<T> {
  const before = process.cpuUsage();
  try {
    return { value: parse() };
  } catch (error) {
    return { code: codeOf(error) };
  } finally {
    assertQuick(before);
  }
}

/** The same for an asynchronous parser. */
export async function answerLater<T>(parse: () => Promise<T>): Promise<Answered<T>> {
  const before = process.cpuUsage();
  try {
    return { value: await parse() };
  } catch (error) {
    return { code: codeOf(error) };
  } finally {
    assertQuick(before);
  }
}

/** Fewer cases, for a property that costs much more than a parser: one that needs a thread or a file for each case. */
export function costlyRuns(share: number): { numRuns: number } {
  const { numRuns = 100 } = fc.readConfigureGlobal();
  return { numRuns: Math.max(1, Math.ceil(numRuns / share)) };
}

function codeOf(error: unknown): string {
  if (error instanceof Error && error.name === 'RbeeError' && 'code' in error) return String(error.code);
  throw error;
}

function assertQuick(before: NodeJS.CpuUsage): void {
  const { user, system } = process.cpuUsage(before);
  const tookMs = (user + system) / 1_000;
  if (tookMs > MAX_CASE_MS) throw new Error(`one case took ${Math.round(tookMs)} ms of CPU time`);
}

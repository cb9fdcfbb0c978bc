import fc from 'fast-check';

/** No parser takes as long for one text, also on a machine that is busy; one that does can be held up for ever. */
const MAX_CASE_MS = 5_000;
const MAX_PARTS = 40;

/** How a parser answered: with a value, or with a code of the contract. */
export type Answered<T> = { readonly value: T } | { readonly code: string };

/**
 * Text as an attacker writes it: characters of every kind, or the words of a grammar in any order with noise between them.
 * The words are what makes it likely to come far into a parser.
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
 * What a parser answers. An error without a code of the contract is a bug and goes on to the test, as does a case that
 * takes seconds.
 */
export function answerOf<T>(parse: () => T): Answered<T> {
  const startMs = performance.now();
  try {
    return { value: parse() };
  } catch (error) {
    return { code: codeOf(error) };
  } finally {
    assertSoon(startMs);
  }
}

/** The same for what answers later. */
export async function answerLater<T>(parse: () => Promise<T>): Promise<Answered<T>> {
  const startMs = performance.now();
  try {
    return { value: await parse() };
  } catch (error) {
    return { code: codeOf(error) };
  } finally {
    assertSoon(startMs);
  }
}

/** Cases for a property that costs much more than a parser, such as one with a thread or a file for each. */
export function costlyRuns(share: number): { numRuns: number } {
  const { numRuns = 100 } = fc.readConfigureGlobal();
  return { numRuns: Math.max(1, Math.ceil(numRuns / share)) };
}

function codeOf(error: unknown): string {
  if (error instanceof Error && error.name === 'RbeeError' && 'code' in error) return String(error.code);
  throw error;
}

function assertSoon(startMs: number): void {
  const tookMs = performance.now() - startMs;
  if (tookMs > MAX_CASE_MS) throw new Error(`one case took ${Math.round(tookMs)} ms`);
}

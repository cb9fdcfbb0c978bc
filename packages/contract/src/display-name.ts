import { RbeeError } from './error.ts';
import { parseModelRef, printModelRef, shortNameOf } from './model-ref.ts';

const COMMIT = /@([0-9a-f]{7})[0-9a-f]{33}(?![0-9a-f])/;

/**
 * Names that tell these models apart: for each the shortest of its short name (`Qwen3-0.6B-GGUF:Q4_K_M`, `x.gguf`), its ref
 * without what everybody knows, and its whole ref that no other model here has. A ref that this version cannot read is its
 * own name.
 */
export function displayNames(refs: readonly string[]): (ref: string) => string {
  const known = new Map([...new Set(refs)].map((ref) => [ref, namesOf(ref)]));
  /** By their whole refs: people write one model in several ways, as with and without `hf:`. */
  const models = new Map([...known.values()].map((names) => [wholeOf(names), names]));
  /** How many of the models have a name of this length. */
  const counts = new Map<string, number>();
  const keyOf = (name: string, length: number) => `${length} ${name}`;
  for (const names of models.values()) {
    for (const key of names.map(keyOf)) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return (ref) => {
    const names = known.get(ref) ?? namesOf(ref);
    const others = models.has(wholeOf(names)) ? 1 : 0;
    return names.find((name, length) => (counts.get(keyOf(name, length)) ?? 0) <= others) ?? ref;
  };
}

/** The name of a model where there is no other to tell it from. */
export function displayNameOf(ref: string): string {
  return namesOf(ref)[0] ?? ref;
}

/** From the shortest to the whole ref. */
function namesOf(text: string): string[] {
  try {
    const ref = parseModelRef(text);
    const whole = printModelRef(ref);
    return [shortNameOf(ref), whole.replace(/^hf:/, '').replace(COMMIT, '@$1'), whole];
  } catch (error) {
    if (!(error instanceof RbeeError)) throw error;
    return [text];
  }
}

function wholeOf(names: readonly string[]): string | undefined {
  return names.at(-1);
}

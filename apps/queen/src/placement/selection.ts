import { globMatcher, type HfRef } from '@rbee/contract';

/** What a ref says of the files of its repo, be it the ref of a request or the pinned one of a model. */
export type Selection = Pick<HfRef, 'files' | 'include' | 'exclude' | 'quant'>;

/** Whether two say the same, in whatever order: of one commit they are the same files. */
export function isSameSelection(a: Selection, b: Selection): boolean {
  return (
    a.quant === b.quant &&
    isSameSet(a.files, b.files) &&
    isSameSet(a.include, b.include) &&
    isSameSet(a.exclude, b.exclude)
  );
}

/** Whether nothing is said: what is taken then depends on all that the repo has. */
export function saysNothing({ files, include, exclude, quant }: Selection): boolean {
  return quant === null && files.length + include.length + exclude.length === 0;
}

/** Whether a file would be among those of a selection that says something, as far as its name tells. */
export function takes({ files, include, exclude, quant }: Selection, path: string): boolean {
  if (files.length > 0) return files.includes(path);
  if (quant !== null) return path.toUpperCase().includes(quant);
  const matches = (glob: string) => globMatcher(glob)(path);
  return (include.length === 0 || include.some(matches)) && !exclude.some(matches);
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((member) => b.includes(member));
}

import { globMatcher, type HfRef, isProjector } from '@rbee/contract';

/** The files of its repo that a ref selects: the ref of a request, or the pinned one of a model. */
export type Selection = Pick<HfRef, 'files' | 'include' | 'exclude' | 'quant'>;

/** Whether two select the same files of one commit; the order does not matter. */
export function isSameSelection(a: Selection, b: Selection): boolean {
  return (
    a.quant === b.quant &&
    isSameSet(a.files, b.files) &&
    isSameSet(a.include, b.include) &&
    isSameSet(a.exclude, b.exclude)
  );
}

/** Whether a ref selects no files: it then depends on the whole repo which ones are taken. */
export function isEmptySelection({ files, include, exclude, quant }: Selection): boolean {
  return quant === null && files.length + include.length + exclude.length === 0;
}

/** Whether a non-empty selection takes a file, judging by its name. */
export function takes({ files, include, exclude, quant }: Selection, path: string): boolean {
  if (files.length > 0) return files.includes(path);
  if (quant !== null) return !isProjector(path) && path.toUpperCase().includes(quant);
  const matches = (glob: string) => globMatcher(glob)(path);
  return (include.length === 0 || include.some(matches)) && !exclude.some(matches);
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((member) => b.includes(member));
}

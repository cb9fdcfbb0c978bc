/**
 * Whether a file is the vision part of a GGUF model, by its path in the repo: `mmproj-F16.gguf`, `m-mmproj-f16.gguf` or
 * a file in a folder of that name.
 */
export function isProjector(path: string): boolean {
  return /mmproj[^/]*$|(?:^|\/)mmprojs?\//i.test(path);
}

/**
 * Whether globs leave out the vision part of a model and say nothing else, as `*mmproj*` does: the files are then chosen
 * as they are without the globs. True where there are none.
 */
export function onlyProjectors(globs: readonly string[]): boolean {
  return globs.every((glob) => /mmproj/i.test(glob));
}

import type { GeneratedFile } from '@rbee/testing';

/** The files of a model by path; the hub generates their content. */
export type ModelFiles = Readonly<Record<string, GeneratedFile>>;

export const repo = 'bench/many';

const smallFiles = 60;
const smallBytes = 200 * 1024;
const longBytes = 64 * 1024 * 1024;

/** Many small files, which git stores, and long weights, which the CDN stores. */
export const model: ModelFiles = {
  'model.safetensors': { size: longBytes, seed: 0 },
  ...Object.fromEntries(
    Array.from({ length: smallFiles }, (_, index) => [
      `part-${String(index).padStart(2, '0')}.json`,
      { size: smallBytes, seed: index + 1 },
    ]),
  ),
};

export const bytesOf = (files: ModelFiles): number => Object.values(files).reduce((sum, { size }) => sum + size, 0);

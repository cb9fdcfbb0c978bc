import { z } from 'zod';

const commitSchema = z.string().regex(/^[0-9a-f]{40}$/);
const sizeSchema = z.int().nonnegative();

/** `GET /api/models/{repo}/revision/{rev}`. A mirror without a tree has its files in `siblings` alone. */
export const modelInfoSchema = z.object({
  sha: commitSchema,
  siblings: z
    .array(z.object({ rfilename: z.string() }))
    .optional()
    .catch(undefined),
});

export type ModelInfo = z.infer<typeof modelInfoSchema>;

/** A file of `GET /api/models/{repo}/tree/{rev}`. */
export interface TreeFile {
  readonly path: string;
  readonly size: number;
  /** Git object id: of an LFS file that of its pointer. */
  readonly oid: string;
  /** Of an LFS file: the sha256 and size of its content. */
  readonly lfs?: { readonly oid: string; readonly size: number } | undefined;
}

const treeFileSchema: z.ZodType<TreeFile> = z.object({
  path: z.string(),
  oid: commitSchema,
  size: sizeSchema,
  lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: sizeSchema }).optional(),
});

/** The files of one page of a tree, without its folders, of which not every hub says as much; null where it is no page of a tree. */
export function readTreeFiles(page: unknown): TreeFile[] | null {
  if (!Array.isArray(page)) return null;
  const files: TreeFile[] = [];
  for (const row of page as unknown[]) {
    if (typeof row !== 'object' || row === null || !('type' in row)) return null;
    if (row.type !== 'file') continue;
    const parsed = treeFileSchema.safeParse(row);
    if (!parsed.success) return null;
    files.push(parsed.data);
  }
  return files;
}

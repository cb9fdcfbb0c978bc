import { isDeepStrictEqual } from 'node:util';
import { RbeeError } from './error.ts';
import type { Operation } from './job.ts';
import { type ModelRef, parseModelRef, printModelRef } from './model-ref.ts';
import { isRedacted, redactModelRef } from './redacted-ref.ts';

type DownloadFields = Pick<
  Extract<Operation, { operation: 'model_download' }>,
  'model' | 'sha256' | 'include' | 'exclude'
>;

/** What a request asks for, however it says it. */
export interface WantedModel {
  readonly ref: ModelRef;
  /** What the one file must hash to, lower case, where the ref has no place for it; null for a URL, whose ref has. */
  readonly sha256: string | null;
}

/**
 * The ref of a request, with what the request's other fields say of it: globs become part of a hub's ref, and a sha256
 * part of a URL. So the same thing asked for in two ways is one ref, which joins, is placed, is kept and is shown as such.
 * @throws RbeeError MODEL_REF_INVALID, REQUEST_INVALID
 */
export function wantedModel(body: DownloadFields): WantedModel {
  const ref = merged(body);
  if (isRedacted(ref)) {
    throw new RbeeError('MODEL_REF_INVALID', 'the URL is a shown one: its secret part is not in it', {
      hint: 'ask with the whole URL, as it was given out',
    });
  }
  // What is kept is the shown text, which may be longer.
  parseModelRef(redactModelRef(ref));
  return { ref, sha256: 'sha256' in ref ? null : (body.sha256?.toLowerCase() ?? null) };
}

function merged(body: DownloadFields): ModelRef {
  const ref = parseModelRef(body.model);
  const globs = [...(body.include ?? []), ...(body.exclude ?? [])];
  if (globs.length > 0 && ref.scheme !== 'hf') {
    throw new RbeeError(
      'REQUEST_INVALID',
      `include and exclude choose files of a hub's repo, not of ${ref.scheme}: refs`,
      {
        hint: 'leave them out',
      },
    );
  }
  if (ref.scheme === 'hf') {
    const include = distinct([...ref.include, ...(body.include ?? [])]);
    const exclude = distinct([...ref.exclude, ...(body.exclude ?? [])]);
    return readBack({ ...ref, include, exclude });
  }
  const sha256 = body.sha256?.toLowerCase() ?? null;
  if (sha256 === null || (ref.scheme !== 'https' && ref.scheme !== 'http')) return ref;
  if (ref.sha256 !== null && ref.sha256 !== sha256) {
    throw new RbeeError('REQUEST_INVALID', 'the ref and the request name different digests', { hint: 'keep one' });
  }
  return readBack({ ...ref, sha256 });
}

function distinct(globs: readonly string[]): string[] {
  return [...new Set(globs)];
}

/** What is kept and shown is the text of a ref, so a ref that its text does not give back is refused. */
function readBack(ref: ModelRef): ModelRef {
  if (isDeepStrictEqual(parseModelRef(printModelRef(ref)), ref)) return ref;
  throw new RbeeError('REQUEST_INVALID', 'a glob cannot be written in a ref', { hint: 'a glob has no "::" in it' });
}

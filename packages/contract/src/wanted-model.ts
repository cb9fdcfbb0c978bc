import { isDeepStrictEqual } from 'node:util';
import { RbeeError } from './error.ts';
import { hubRefOf, type ModelRef, parseModelRef, printModelRef } from './model-ref.ts';
import { isRedacted, redactModelRef } from './redacted-ref.ts';
import type { Operation } from './schemas/job.ts';

type DownloadFields = Pick<
  Extract<Operation, { operation: 'model_download' }>,
  'model' | 'sha256' | 'include' | 'exclude'
>;

/** The model that a request wants, in one canonical form. */
export interface WantedModel {
  readonly ref: ModelRef;
  /** The expected SHA-256 in lower case, for refs that cannot contain it; null for a URL, whose ref contains it. */
  readonly sha256: string | null;
}

/**
 * The ref of a request with its other fields merged in: globs become part of a hub's ref, a sha256 part of a URL. Equal
 * requests thus have equal refs, however they are written, and share one download.
 * @param hub URL of the caller's own hub, whose pages are read as refs, as the pages of huggingface.co are
 * @throws RbeeError MODEL_REF_INVALID, REQUEST_INVALID
 */
export function wantedModel(body: DownloadFields, hub: string | null = null): WantedModel {
  const { ref, sha256 } = merged(body, hub);
  if (isRedacted(ref)) {
    throw new RbeeError('MODEL_REF_INVALID', 'the secret part of the URL has been hidden', {
      hint: 'use the complete original URL',
    });
  }
  // The redacted text, which is stored, may be longer.
  parseModelRef(redactModelRef(ref));
  return { ref, sha256: 'sha256' in ref ? null : sha256 };
}

function merged(body: DownloadFields, hub: string | null): WantedModel {
  const parsed = parseModelRef(body.model);
  const sha256 = agreedSha256('sha256' in parsed ? parsed.sha256 : null, body.sha256?.toLowerCase() ?? null);
  // With a digest a queen, which does not know the hubs of its hives, finds the same download by the URL.
  const ownHub = sha256 === null ? hub : null;
  const ref = ('url' in parsed ? hubRefOf(parsed, ownHub) : null) ?? parsed;
  const globs = [...(body.include ?? []), ...(body.exclude ?? [])];
  if (globs.length > 0 && ref.scheme !== 'hf') {
    throw new RbeeError('REQUEST_INVALID', `include and exclude only apply to hf: refs, not to ${ref.scheme}: refs`, {
      hint: 'leave them out',
    });
  }
  if (ref.scheme === 'hf') {
    const include = distinct([...ref.include, ...(body.include ?? [])]);
    const exclude = distinct([...ref.exclude, ...(body.exclude ?? [])]);
    return { ref: readBack({ ...ref, include, exclude }), sha256 };
  }
  if (sha256 === null || (ref.scheme !== 'https' && ref.scheme !== 'http')) return { ref, sha256 };
  return { ref: readBack({ ...ref, sha256 }), sha256 };
}

function agreedSha256(ofRef: string | null, ofRequest: string | null): string | null {
  if (ofRef === null || ofRequest === null || ofRef === ofRequest) return ofRef ?? ofRequest;
  throw new RbeeError('REQUEST_INVALID', 'the ref and the request have different digests', {
    hint: 'remove one of them',
  });
}

function distinct(globs: readonly string[]): string[] {
  return [...new Set(globs)];
}

/** The text of a ref is stored and shown, so a ref that does not survive printing and parsing is refused. */
function readBack(ref: ModelRef): ModelRef {
  if (isDeepStrictEqual(parseModelRef(printModelRef(ref)), ref)) return ref;
  throw new RbeeError('REQUEST_INVALID', 'a glob cannot be part of a ref', { hint: 'remove "::" from the glob' });
}

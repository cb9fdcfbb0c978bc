import { type ErrorCode, RbeeError } from './error.ts';
import { isPrintable } from './printable.ts';

const MAX_PATH_BYTES = 1024;
const MAX_SEGMENT_BYTES = 255;

// Characters that look like a slash or backslash. NFKC folds only some of them; legacy code pages fold the others.
const SLASH_LIKE = /[\u2044\u2215\u2216\u29f5\u29f8\u29f9]/;

// `.`, `..` and what a file system that drops dots and blanks at the end of a name could make of one of them.
const ONLY_DOTS = /^[.\s]*\.[.\s]*$/;

function refuse(code: ErrorCode, message: string): RbeeError {
  return new RbeeError(code, message, { hint: 'use a relative path with "/" between its parts' });
}

/**
 * Text that is safe in a log line, a path and a terminal: no control characters, no backslashes, well-formed Unicode.
 * @throws RbeeError MODEL_REF_INVALID (or the code given)
 */
export function assertText(text: string, what: string, code: ErrorCode = 'MODEL_REF_INVALID'): string {
  if (!text.isWellFormed()) throw refuse(code, `${what} is not valid Unicode`);
  if (!isPrintable(text)) throw refuse(code, `${what} contains a control character`);
  if (text.includes('\\')) throw refuse(code, `${what} contains a backslash`);
  return text;
}

/**
 * A path that stays inside the folder it is joined to on every common file system: relative, without empty, `.` or `..`
 * parts, drive letters, or characters that a file system may fold into a separator or a dot (compared in NFKC).
 * @throws RbeeError with the given code; the message does not repeat the path, which may be a URL with credentials
 */
export function assertRepoPath(path: string, code: ErrorCode): string {
  assertText(path, 'the path', code);
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path.normalize('NFKC'))) throw refuse(code, 'the path is absolute');
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw refuse(code, 'the path is too long');
  for (const part of path.split('/')) {
    const folded = part.normalize('NFKC');
    if (part === '' || ONLY_DOTS.test(folded)) throw refuse(code, 'the path leaves its folder');
    if (SLASH_LIKE.test(part) || folded.includes('/') || folded.includes('\\')) {
      throw refuse(code, 'the path contains a disguised separator');
    }
    if (Buffer.byteLength(part) > MAX_SEGMENT_BYTES) {
      throw refuse(code, `a part of the path is longer than ${MAX_SEGMENT_BYTES} bytes`);
    }
  }
  return path;
}

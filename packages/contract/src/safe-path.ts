import { type ErrorCode, RbeeError } from './error.ts';

const MAX_PATH_BYTES = 1024;
const MAX_SEGMENT_BYTES = 255;

// C0, DEL, C1, and the characters that change how a line reads: line separators, bidirectional controls, BOM.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/;

function refuse(code: ErrorCode, message: string): RbeeError {
  return new RbeeError(code, message, { hint: 'use a relative path with "/" between its parts' });
}

/**
 * Text that can stand in a log line, a path and a terminal: no control characters, no backslashes, whole code points.
 * @throws RbeeError MODEL_REF_INVALID (or the code given)
 */
export function assertText(text: string, what: string, code: ErrorCode = 'MODEL_REF_INVALID'): string {
  if (UNPRINTABLE.test(text)) throw refuse(code, `${what} contains a control character`);
  if (text.includes('\\')) throw refuse(code, `${what} contains a backslash`);
  if (!text.isWellFormed()) throw refuse(code, `${what} is not valid Unicode`);
  return text;
}

/**
 * A path that stays inside the folder it is joined to, on every common file system: relative, without empty, `.` or
 * `..` parts, drive letters, or characters that a file system may fold into a separator or a dot (compared in NFKC).
 * @throws RbeeError with the code given
 */
export function assertRepoPath(path: string, code: ErrorCode): string {
  assertText(path, 'the path', code);
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) throw refuse(code, `the path "${path}" is absolute`);
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw refuse(code, 'the path is too long');
  const parts = path.split('/');
  for (const part of parts) {
    const folded = part.normalize('NFKC');
    if (part === '' || folded === '.' || folded.includes('..'))
      throw refuse(code, `the path "${path}" leaves its folder`);
    if (folded.includes('/') || folded.includes('\\') || folded.includes('\0')) {
      throw refuse(code, `the path "${path}" hides a separator`);
    }
    if (Buffer.byteLength(part) > MAX_SEGMENT_BYTES)
      throw refuse(code, `a part of the path is longer than ${MAX_SEGMENT_BYTES} bytes`);
  }
  return path;
}

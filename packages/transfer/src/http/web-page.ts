import { RbeeError } from '@rbee/contract/plain';
import { headerOf, type ResponseHeaders } from '@rbee/http';

/** Whether a response is labelled as a web page although the file is not named like one. */
export function isStrayPage(headers: ResponseHeaders, name: string): boolean {
  const type = headerOf(headers, 'content-type') ?? '';
  return /^\s*(?:text\/html|application\/xhtml\+xml)/i.test(type) && !/\.x?html?$/i.test(name);
}

/**
 * The error for a web page in place of a file. `isFinal` where the URL itself leads to the page: a retry would bring it again. In the
 * middle of a transfer it may go away.
 */
export function errorOfPage(name: string, { isFinal = false } = {}): RbeeError {
  return new RbeeError('DOWNLOAD_FAILED', `the server sent a web page instead of ${name}`, {
    ...(isFinal ? { details: { page: true } } : {}),
    hint: 'a login page or a captive portal may be in the way; name a file of a hub as hf:org/repo::file=path',
  });
}

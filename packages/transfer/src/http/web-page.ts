import { RbeeError } from '@rbee/contract/plain';
import { headerOf, type ResponseHeaders } from '@rbee/http';

/** Files of weights: none of them is text. */
const WEIGHTS = /\.(?:gguf|safetensors|bin|pt|pth|ckpt|onnx|h5|msgpack|npz)$/i;

/**
 * Whether a response is labelled as a web page although the file is not named like one, or as JSON or XML although it has weights: some
 * services report an error like that, with status 200.
 */
export function isStrayPage(headers: ResponseHeaders, name: string): boolean {
  const type = headerOf(headers, 'content-type') ?? '';
  if (/^(?:text\/html|application\/xhtml\+xml)/i.test(type)) return !/\.x?html?$/i.test(name);
  return /^(?:application|text)\/(?:problem\+)?(?:json|xml)(?:$|[;\s])/i.test(type) && WEIGHTS.test(name);
}

/**
 * The error for a web page, or the text of an error, in place of a file. `isFinal` where the URL itself leads to the page: a retry would bring it again. In the
 * middle of a transfer it may go away.
 */
export function errorOfPage(name: string, { isFinal = false } = {}): RbeeError {
  return new RbeeError('DOWNLOAD_FAILED', `the server sent a web page or an error instead of ${name}`, {
    ...(isFinal ? { details: { page: true } } : {}),
    hint: 'a login page or a captive portal may be in the way; name a file of a hub as hf:org/repo::file=path',
  });
}

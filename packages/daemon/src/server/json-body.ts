import { RbeeError } from '@rbee/contract';
import type { FastifyInstance } from 'fastify';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Takes JSON in UTF-8 and nothing else: fastify would take plain text too, and put other characters in place of bytes that
 * are none. Keys that would change the prototype of an object are refused.
 */
export function takeJsonOnly(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    parse(request, textOf(body), done);
  });
}

function textOf(body: string | Buffer): string {
  try {
    return typeof body === 'string' ? body : UTF8.decode(body);
  } catch {
    throw new RbeeError('REQUEST_INVALID', 'the body is not UTF-8');
  }
}

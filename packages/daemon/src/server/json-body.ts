import { RbeeError } from '@rbee/contract';
import type { FastifyInstance } from 'fastify';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Accepts JSON in UTF-8 only: fastify would also accept plain text, and would replace invalid bytes. Rejects keys that
 * would change the prototype of an object.
 */
export function acceptJsonOnly(app: FastifyInstance): void {
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
    throw new RbeeError('REQUEST_INVALID', 'the body is not valid UTF-8');
  }
}

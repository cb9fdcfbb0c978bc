import type { FastifyInstance } from 'fastify';
import { type DocumentOptions, openApiOf } from './document.ts';
import { referencePage } from './reference-page.ts';

/** Serves the OpenAPI document and a page of it. Both are built at the first request. */
export function serveDocument(app: FastifyInstance, options: DocumentOptions): void {
  const make = () => {
    const document = openApiOf(options);
    return { json: JSON.stringify(document), page: referencePage(document) };
  };
  let made: ReturnType<typeof make> | null = null;
  const get = () => {
    made ??= make();
    return made;
  };
  app.get('/openapi.json', (_, reply) => reply.type('application/json; charset=utf-8').send(get().json));
  app.get('/docs', (_, reply) => {
    const { html, policy } = get().page;
    return reply.header('content-security-policy', policy).type('text/html; charset=utf-8').send(html);
  });
}

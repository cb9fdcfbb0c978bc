import { createHash } from 'node:crypto';
import type { Json } from './schemas.ts';

/** An HTML page with its content security policy, which allows its own style only. */
export interface ReferencePage {
  readonly html: string;
  readonly policy: string;
}

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 0.875rem/1.4 ui-monospace, monospace }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid #8884 }
details { border-top: 1px solid #8884; padding: 0.5rem 0 }
summary { cursor: pointer }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: 0.25rem 1rem 0.25rem 0; border-bottom: 1px solid #8882 }
`;

/** Renders the document as a page without scripts or external resources. */
export function referencePage(document: Json): ReferencePage {
  const { title, version } = object(document['info']);
  const operations = operationsOf(document);
  const sections = list(document['tags'])
    .map(object)
    .map(({ name, description }) => {
      const own = operations.filter((operation) => operation.tag === name);
      return `<h2 id="${text(name)}">${text(name)}</h2>\n<p>${text(description)}</p>\n${own.map(operationHtml).join('\n')}`;
    });
  const schemas = Object.entries(object(object(document['components'])['schemas'])).map(
    ([name, schema]) =>
      `<details id="schema-${text(name)}"><summary><code>${text(name)}</code></summary>${json(schema)}</details>`,
  );
  const html = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${text(title)}</title><style>${STYLE}</style></head>
<body>
<h1>${text(title)} ${text(version)}</h1>
<p>Generated from <a href="openapi.json">openapi.json</a>, an OpenAPI 3.1 document.</p>
${sections.join('\n')}
<h2 id="schemas">Schemas</h2>
${schemas.join('\n')}
</body>
</html>
`;
  const hash = createHash('sha256').update(STYLE).digest('base64');
  return { html, policy: `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; frame-ancestors 'none'` };
}

interface Operation {
  readonly tag: unknown;
  readonly method: string;
  readonly path: string;
  readonly operation: Json;
}

function operationsOf(document: Json): readonly Operation[] {
  return Object.entries(object(document['paths'])).flatMap(([path, methods]) =>
    Object.entries(object(methods)).map(([method, value]) => {
      const operation = object(value);
      return { tag: list(operation['tags'])[0], method: method.toUpperCase(), path, operation };
    }),
  );
}

function operationHtml({ method, path, operation }: Operation): string {
  const { operationId, summary, parameters, requestBody, responses } = operation;
  const named = list(parameters).map(object);
  const rows = named.map(
    (one) =>
      `<tr><td><code>${text(one['name'])}</code></td><td>${text(one['in'])}</td><td>${one['required'] === true ? 'required' : ''}</td></tr>`,
  );
  const replies = Object.entries(object(responses)).map(([status, reply]) => {
    const { description = '', content } = object(reply);
    return `<tr><td><code>${text(status)}</code></td><td>${text(description)} ${contentHtml(content)}</td></tr>`;
  });
  return `<details id="${text(operationId)}"><summary><code>${method} ${text(path)}</code> ${text(summary)}</summary>
${rows.length === 0 ? '' : `<table>${rows.join('')}</table>`}
${requestBody === undefined ? '' : `<p>Body: ${contentHtml(object(requestBody)['content'])}</p>`}
<table>${replies.join('')}</table></details>`;
}

/** Each media type with a link to its schema; for a stream, links to the schemas of its events. */
function contentHtml(content: unknown): string {
  const parts = Object.entries(object(content)).map(([type, value]) => {
    const { schema, 'x-events': events } = object(value);
    const links = events === undefined ? [link(schema)] : Object.values(object(events)).map(link);
    return `<code>${text(type)}</code> ${links.filter((one) => one !== '').join(', ')}`;
  });
  return parts.join('; ');
}

function link(schema: unknown): string {
  const name = String(object(schema)['$ref'] ?? '')
    .split('/')
    .at(-1);
  return name ? `<a href="#schema-${text(name)}">${text(name)}</a>` : '';
}

function json(value: unknown): string {
  return `<pre>${text(JSON.stringify(value, null, 2))}</pre>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function text(value: unknown): string {
  return String(value).replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

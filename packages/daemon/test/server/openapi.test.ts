import { createHash } from 'node:crypto';
import { hiveRoutes, queenRoutes, type Route } from '@rbee/contract';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { describe, expect, it } from 'vitest';
import { openApiOf } from '../../src/server/openapi/document.ts';
import { referencePage } from '../../src/server/openapi/reference-page.ts';

// Goal: a document that clients can be generated from. Method: a third-party linter with its recommended rules and more;
// documents that are broken on purpose prove that it finds errors.

const DAEMONS = [
  ['hive', hiveRoutes],
  ['queen', queenRoutes],
] as const;

const documentOf = (routes: Readonly<Record<string, Route>>) => openApiOf({ title: 'test', version: '1.2.3', routes });

async function faultsOf(document: unknown): Promise<string[]> {
  const config = await createConfig({
    extends: ['recommended-strict'],
    rules: {
      'operation-operationId': 'error',
      'operation-singular-tag': 'error',
      'tag-description': 'error',
      'no-ambiguous-paths': 'off',
      'operation-4xx-response': 'error',
      // It does not see what the events of a stream refer to; a test below does.
      'no-unused-components': 'off',
      // A server of a document that each daemon serves itself is itself.
      'no-empty-servers': 'error',
      'info-license': 'error',
    },
  });
  const problems = await lintFromString({ source: JSON.stringify(document), absoluteRef: '/openapi.json', config });
  return problems.map(({ ruleId, message, location }) => `${ruleId} ${location[0]?.pointer}: ${message}`);
}

/** A copy in which one text was put in place of another. */
function broken(document: unknown, before: string, after: string): unknown {
  const text = JSON.stringify(document);
  expect(text).toContain(before);
  return JSON.parse(text.replace(before, after));
}

describe.each(DAEMONS)('the document of a %s', (_, routes) => {
  const document = documentOf(routes);
  const operations = Object.entries(
    document['paths'] as Record<string, Record<string, Record<string, unknown>>>,
  ).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));

  it('has no fault that the linter knows', async () => {
    expect(await faultsOf(document)).toEqual([]);
  });

  it('has no schema that nothing refers to', () => {
    const schemas = Object.keys((document['components'] as Record<string, object>)['schemas'] ?? {});
    const text = JSON.stringify(document);
    expect(schemas.filter((name) => !text.includes(`"#/components/schemas/${name}"`))).toEqual([]);
  });

  it('has every route with a summary, one tag and its own name', () => {
    expect(operations.map(({ operation }) => operation['operationId']).sort()).toEqual(Object.keys(routes).sort());
    for (const { operation } of operations) {
      expect(operation['summary']).toMatch(/\w/);
      expect(operation['tags']).toHaveLength(1);
    }
  });

  it('has the envelope for every error, and events for every stream', () => {
    for (const { operation } of operations) {
      const responses = operation['responses'] as Record<string, { content?: Record<string, Record<string, unknown>> }>;
      const errors = Object.keys(responses).filter((status) => /^[45]/.test(status));
      expect(errors).toContain('500');
      for (const status of errors) {
        const schema = responses[status]?.content?.['application/json']?.['schema'];
        expect(schema).toEqual({ $ref: '#/components/schemas/Error' });
      }
      const route: Route | undefined = Object.entries(routes).find(([id]) => id === operation['operationId'])?.[1];
      const stream = responses['200']?.content?.['text/event-stream'];
      expect(stream !== undefined).toBe(route?.stream === true);
      if (stream !== undefined) expect(Object.keys(stream['x-events'] as object)).not.toEqual([]);
    }
  });

  it('asks for a token everywhere but at /health', () => {
    expect(document['security']).toEqual([{ token: [] }, {}]);
    const open = operations.filter(({ operation }) => operation['security'] !== undefined);
    expect(open.map(({ path }) => path)).toEqual(['/health']);
  });

  it('makes a page of HTML with every operation and schema, no script, and a policy that allows its style alone', () => {
    const { html, policy } = referencePage(document);
    for (const { path, method, operation } of operations) {
      expect(html).toContain(`<details id="${operation['operationId']}">`);
      expect(html).toContain(`${method.toUpperCase()} ${path}`);
    }
    const schemas = Object.keys((document['components'] as Record<string, object>)['schemas'] ?? {});
    for (const name of schemas) expect(html).toContain(`id="schema-${name}"`);
    const targets = [...html.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id);
    expect(targets.filter((id) => !html.includes(`id="${id}"`))).toEqual([]);
    expect(html).not.toMatch(/<script|https?:\/\/(?!json-schema)|style="/);
    const style = /<style>([\s\S]*)<\/style>/.exec(html)?.[1] ?? '';
    expect(policy).toContain(`'sha256-${createHash('sha256').update(style).digest('base64')}'`);
    expect(policy).toContain("default-src 'none'");
  });
});

describe('the linter', () => {
  const document = documentOf(hiveRoutes);

  it.each([
    [
      'a reference to nothing',
      '"$ref":"#/components/schemas/Job"',
      '"$ref":"#/components/schemas/Gone"',
      'no-unresolved-refs',
    ],
    [
      'two operations of one name',
      '"operationId":"getJob"',
      '"operationId":"listJobs"',
      'operation-operationId-unique',
    ],
    ['a field that OpenAPI does not know', '"summary":"One job"', '"sumary":"One job"', 'struct'],
    [
      'a parameter that the path does not have',
      '"name":"id","in":"path"',
      '"name":"it","in":"path"',
      'path-parameters-defined',
    ],
    [
      'a security scheme that is not there',
      '"security":[{"token":[]}',
      '"security":[{"tokens":[]}',
      'security-defined',
    ],
    ['an operation without a summary', '"summary":"One job",', '', 'operation-summary'],
  ])('finds %s', async (_, before, after, rule) => {
    const faults = await faultsOf(broken(document, before, after));
    expect(faults.join('\n')).toContain(rule);
  });
});

describe('the page', () => {
  it('shows what is in a document as text, whatever it is', () => {
    const document = { ...documentOf(hiveRoutes), info: { title: '<script>alert("x")</script>', version: "1'&" } };
    const { html } = referencePage(document);
    expect(html).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; 1&#39;&amp;');
    expect(html).not.toContain('<script');
  });
});

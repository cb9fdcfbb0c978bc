import { errorBodySchema } from '@rbee/contract';
import { describe, expect, it } from 'vitest';
import { serveDaemon } from '../support.ts';

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
const job = (fields: string) => `{"operation":"model_download","model":"hf:a/b",${fields}}`;

describe('a body that is bad', () => {
  it.each([
    ['nothing', ''],
    ['blanks', '   '],
    ['half of a value', '{"operation":"model_li'],
    ['two values', '{"operation":"model_list"}{"operation":"model_list"}'],
    ['a comment', '{"operation":"model_list"/* */}'],
    ['NaN', job('"priority":NaN')],
    ['a prototype', '{"operation":"model_list","__proto__":{"open":true}}'],
    ['a prototype in escapes', '{"operation":"model_list","\\u005f_proto__":{"open":true}}'],
    ['a constructor', '{"operation":"model_list","constructor":{"prototype":{"open":true}}}'],
    ['arrays 500,000 deep', nested(500_000)],
    ['objects 100,000 deep', objects(100_000)],
    ['depth in a field', job(`"include":${nested(100_000)}`)],
    ['an array', '[{"operation":"model_list"}]'],
    ['null', 'null'],
    ['a number', '7'],
    ['text', '"model_list"'],
    ['a number for text', '{"operation":"model_download","model":7}'],
    ['an object for text', '{"operation":"model_download","model":{"toString":"x"}}'],
    ['an array for text', '{"operation":"model_download","model":["hf:a/b"]}'],
    ['text for a number', job('"priority":"high"')],
    ['a number without end', job('"priority":1e999')],
    ['a fraction', job('"priority":1.5')],
    ['a negative bandwidth', job('"max_bandwidth":-1')],
    ['an invalid bandwidth', job('"max_bandwidth":"fast"')],
    ['an invalid digest', job('"sha256":"zz"')],
    ['too many globs', job(`"include":[${Array.from({ length: 10_000 }, () => '"*"').join()}]`)],
    ['a model of a megabyte', `{"operation":"model_download","model":"${'x'.repeat(1_000_000)}"}`],
    ['an invalid id', job('"job_id":"job-1"')],
    ['half of a surrogate pair', '{"operation":"model_download","model":"hf:a/\\ud800"}'],
    ['a NUL', '{"operation":"model_download","model":"hf:a/b\\u0000"}'],
    ['bytes that are not UTF-8', Buffer.from('{"operation":"model_download","model":"hf:a/\xff\xfe"}', 'latin1')],
    ['UTF-16', Buffer.from('{"operation":"model_list"}', 'utf16le')],
  ])('%s is refused with the error body, soon and without a word of it', async (_, body) => {
    const { url, asked, log } = await serveDaemon();
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body });
    const { error } = errorBodySchema.parse(await answer.json());
    expect(answer.status).toBe(400);
    expect(['REQUEST_INVALID', 'OPERATION_UNKNOWN', 'MODEL_REF_INVALID']).toContain(error.code);
    expect(error.message.length).toBeLessThan(6_000);
    expect(error.message).not.toMatch(/hf:a|xxxxx|__proto__/);
    expect(asked).toEqual([]);
    expect(({} as { open?: boolean }).open).toBeUndefined();
    expect(log.filter((line) => /"level":(?:50|60)/.test(line))).toEqual([]);
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  it.each([
    ['no type', {}, 415],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['a form of a page, which needs no permission across sites', { 'content-type': 'text/plain' }, 415],
    ['two types', { 'content-type': 'application/json, text/plain' }, 415],
    ['a type that only begins like JSON', { 'content-type': 'application/jsonx' }, 415],
    ['a type of 10,000 characters', { 'content-type': `application/${'x'.repeat(10_000)}` }, 415],
  ])('with %s is not read', async (_, headers, status) => {
    const { url, asked } = await serveDaemon();
    const body = new Blob(['{"operation":"model_list"}']);
    const answer = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body });
    expect(answer.status).toBe(status);
    expect(errorBodySchema.parse(await answer.json()).error.code).toBe('MEDIA_TYPE_UNSUPPORTED');
    expect(asked).toEqual([]);
  });

  it('larger than 1 MiB is refused, be its length said or not', async () => {
    const { url, asked } = await serveDaemon();
    const chunk = Buffer.alloc(64 * 1024, 0x20);
    const stream = new ReadableStream({
      pull: (to) => to.enqueue(chunk),
    });
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: stream, duplex: 'half' } as RequestInit;
    const answer = await fetch(`${url}/v1/jobs`, init);
    expect(answer.status).toBe(413);
    expect(errorBodySchema.parse(await answer.json()).error.code).toBe('PAYLOAD_TOO_LARGE');
    expect(asked).toEqual([]);
  });
});

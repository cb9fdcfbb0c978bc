import { errorBodySchema } from '@rbee/contract';
import { describe, expect, it } from 'vitest';
import { serveDaemon } from '../support.ts';

const TOKEN = 'a-token-of-sixteen-characters';
const job = {
  method: 'POST' as const,
  url: '/v1/jobs',
  headers: { host: '127.0.0.1', 'content-type': 'application/json' },
  payload: '{"operation":"model_list"}',
};

describe('a flood of jobs', () => {
  it('from one client gets 429 with Retry-After, and the others are still served', async () => {
    const { app, asked, url } = await serveDaemon({ jobRate: 1 });
    const { headers, payload: body } = job;
    const send = () =>
      fetch(`${url}/v1/jobs`, { method: 'POST', headers: { 'content-type': headers['content-type'] }, body });
    const answers = await Promise.all(Array.from({ length: 10 }, send));
    const refused = answers.filter(({ status }) => status === 429);
    // Four at once for each per second.
    expect([answers.length - refused.length, asked.length, refused.length]).toEqual([4, 4, 6]);
    for (const answer of refused) {
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(4);
      expect(errorBodySchema.parse(await answer.json()).error.code).toBe('RATE_LIMITED');
    }
    expect((await app.inject({ ...job, remoteAddress: '203.0.113.6' })).statusCode).toBe(202);
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  it('from one network of IPv6 is one client, whatever address it takes', async () => {
    const { app } = await serveDaemon({ jobRate: 1 });
    const answers = [];
    for (let n = 1; n <= 6; n += 1) answers.push(await app.inject({ ...job, remoteAddress: `2001:db8:1:2::${n}` }));
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([202, 202, 202, 202, 429, 429]);
  });

  it('of a stranger without the token does not use up what the others may start', async () => {
    const { app } = await serveDaemon({ jobRate: 1, access: { apiToken: TOKEN } });
    for (let n = 0; n < 10; n += 1) expect((await app.inject(job)).statusCode).toBe(401);
    const headers = { ...job.headers, authorization: `Bearer ${TOKEN}` };
    expect((await app.inject({ ...job, headers })).statusCode).toBe(202);
  });

  it('that is no flood is not held up: 200 at once on this machine', async () => {
    const { app, asked } = await serveDaemon();
    const answers = await Promise.all(Array.from({ length: 200 }, () => app.inject(job)));
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([202]));
    expect(asked).toHaveLength(200);
  });
});

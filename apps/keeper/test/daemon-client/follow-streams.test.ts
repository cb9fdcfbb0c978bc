import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createQueenClient, type QueenClient } from '../../src/daemon-client/client.ts';
import { type FollowDeps, followDownload, followJob } from '../../src/daemon-client/follow-streams.ts';
import type { WatchEvent } from '../../src/watch-event.ts';
import { type FakeQueen, startFakeQueen } from '../support/fake-queen.ts';

let queen: FakeQueen;
let client: QueenClient;
let events: WatchEvent[];
let deps: FollowDeps;
beforeEach(async () => {
  queen = await startFakeQueen();
  client = createQueenClient({ url: queen.url, token: null });
  events = [];
  deps = { client, emit: (event) => events.push(event), signal: new AbortController().signal };
});
afterEach(async () => {
  await queen.close();
});

describe('followDownload', () => {
  it('emits every event with unknown fields, and returns the last one', async () => {
    const { download } = queen.addJob('hf:org/repo::file=x.gguf');
    const following = followDownload(deps, download.id);
    await queen.waitForRequest('GET', /stream/);
    download.complete('/models/x.gguf');
    expect(await following).toMatchObject({ event: 'complete', data: { path: '/models/x.gguf', hive_id: 'gpu-1' } });
    expect(events.at(-1)).toEqual(await following);
  });

  it('rejects an event that the contract does not allow', async () => {
    const { download } = queen.addJob('hf:org/repo::file=x.gguf');
    download.channel.publish({ event: 'complete', data: '{"path":7}' }, 'terminal');
    await expect(followDownload(deps, download.id)).rejects.toMatchObject({
      code: 'ANSWER_UNEXPECTED',
      message: expect.stringContaining('invalid event "complete"'),
    });
  });

  it('rejects with the error of the queen for an unknown id', async () => {
    await expect(followDownload(deps, 'dl-01999c3a-4f2b-7000-8000-000000000000')).rejects.toMatchObject({
      code: 'DOWNLOAD_NOT_FOUND',
      details: { queen_url: queen.url },
    });
  });

  it('gives up if it cannot reconnect, and says that the download may continue', async () => {
    const { download } = queen.addJob('hf:org/repo::file=x.gguf');
    const reconnect = { maxAttempts: 2, backoff: { baseMs: 1, maxMs: 2 } };
    const following = followDownload({ ...deps, reconnect }, download.id);
    await queen.waitFor(() => events.length > 0, 'the snapshot');
    await queen.hangUp();
    await expect(following).rejects.toMatchObject({
      code: 'QUEEN_UNREACHABLE',
      exitCode: 3,
      hint: expect.stringContaining('may continue'),
    });
    expect(events.filter(({ event }) => event === 'connection').length).toBeGreaterThan(0);
  });

  it("rejects with the signal's reason", async () => {
    const { download } = queen.addJob('hf:org/repo::file=x.gguf');
    const leave = new AbortController();
    const following = followDownload({ ...deps, signal: leave.signal }, download.id);
    await queen.waitFor(() => events.length > 0, 'the snapshot');
    leave.abort(new Error('enough'));
    await expect(following).rejects.toThrow('enough');
  });
});

describe('followJob', () => {
  it('emits narration and data in order and returns how the job ended', async () => {
    const { job } = queen.addJob('hf:org/repo::file=x.gguf');
    job.narrate('first', 'one');
    job.data('model_list', { models: [] });
    job.narrate('second', 'two');
    job.end({ state: 'failed', message: 'no luck' });
    expect(await followJob(deps, job.id)).toEqual({ state: 'failed', message: 'no luck' });
    expect(events.map(({ event }) => event)).toEqual(['narration', 'data', 'narration']);
  });

  it('rejects an end without a result', async () => {
    const { job } = queen.addJob('hf:org/repo::file=x.gguf');
    job.channel.publish({ data: 'bye' }, 'terminal');
    await expect(followJob(deps, job.id)).rejects.toMatchObject({ code: 'ANSWER_UNEXPECTED' });
  });

  it('[K13] repeats no line when a restarted queen sends them all again, under other ids', async () => {
    const jobId = 'job-00000000-0000-4000-8000-000000000000';
    const line = (human: string) => {
      const data = {
        job_id: jobId,
        action: 'a',
        human,
        actor: 'hive-a',
        at: '2026-01-01T00:00:00.000Z',
        level: 'info',
      };
      return `event: narration\nid: ${Math.random().toString(36).slice(2)}.1\ndata: ${JSON.stringify(data)}\n\n`;
    };
    let requests = 0;
    const server = createServer((_, response) => {
      requests += 1;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (requests === 1) response.end(line('one') + line('two') + line('two'));
      else response.end(`${line('one')}${line('two')}${line('three')}id: x.9\ndata: [DONE]\n\n`);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const reconnect = { maxAttempts: 5, backoff: { baseMs: 1, maxMs: 2 } };
      await followJob({ ...deps, client: createQueenClient({ url, token: null }), reconnect }, jobId);
      const lines = events.flatMap((event) => (event.event === 'narration' ? event.data.human : []));
      expect(lines).toEqual(['one', 'two', 'two', 'three']);
    } finally {
      server.close();
    }
  });
});

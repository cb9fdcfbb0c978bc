import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { costlyRuns, hostileText } from '@rbee/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completions } from '../src/completion/complete.ts';
import { createListClient } from '../src/daemon-client/list-client.ts';
import { nearest } from '../src/did-you-mean.ts';
import { buildProgram } from '../src/program.ts';
import { nameOfRef } from '../src/render/download-view.ts';

/** A queen on loopback that responds with whatever the property generates. */
let body = '';
let server: Server;
let queen: string;
beforeAll(async () => {
  server = createServer((_, response) => void response.end(body)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  queen = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const program = buildProgram('1.2.3', async () => undefined, null);
const words = [
  'model',
  'download',
  'job',
  'hive',
  'list',
  'get',
  'ls',
  '--hive',
  '--status',
  '--json',
  '--token',
  '=',
  '-',
  '--',
  'completion',
  'pause',
  'dl-',
  '__proto__',
  'constructor',
  '--queued',
] as const;

describe('hostile input', () => {
  it('is completed or not, whatever the line and the response', async () => {
    const word = fc.oneof(fc.constantFrom(...words), hostileText(words));
    const answer = fc.oneof(
      fc.json(),
      fc.constantFrom('{"hives":[{"hive_id":"a","online":true}]}', '{"jobs":[null]}', '<html>', ''),
    );
    const stdout = Object.assign(new PassThrough(), { isTTY: false });
    const io = {
      env: { RBEE_QUEEN_URL: queen },
      stdin: new PassThrough(),
      stdout,
      stderr: stdout,
      interrupt: new AbortController().signal,
      onLeave: () => () => undefined,
      now: () => 0,
    };
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 6 }), answer, async (line, said) => {
        body = said;
        for (const { value } of await completions(program, line, io)) expect(typeof value).toBe('string');
      }),
      costlyRuns(20),
    );
  });

  it('is a valid list or an error for people', async () => {
    const client = createListClient({ url: queen, token: null });
    const signal = new AbortController().signal;
    const names = fc.constantFrom(
      'jobs',
      'hives',
      'downloads',
      'models',
      'next_cursor',
      'problems',
      'partials',
      '__proto__',
    );
    const answer = fc.oneof(
      fc
        .dictionary(
          names,
          fc.oneof(
            fc.jsonValue(),
            fc.array(fc.dictionary(fc.constantFrom('hive_id', 'job_id', 'state'), fc.jsonValue())),
          ),
        )
        .map((each) => JSON.stringify(each)),
      fc.json(),
    );
    await fc.assert(
      fc.asyncProperty(answer, async (said) => {
        body = said;
        for (const ask of [client.jobs, client.hives, client.models]) {
          try {
            await ask(signal);
          } catch (error) {
            expect((error as Error).name).toMatch(/^(?:KeeperError|RbeeError)$/);
          }
        }
      }),
      costlyRuns(20),
    );
  });

  it('is shown without terminal control characters, and compared in bounded time', () => {
    const text = hostileText([
      'hf:',
      'org/repo',
      '::file=',
      '\x1b[2J',
      '\x07',
      '\u202e',
      '/',
      'a.gguf',
      '\r',
      'https://h/',
      '\u2028',
    ]);
    fc.assert(
      fc.property(text, text, (ref, other) => {
        expect(nameOfRef(ref)).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
        const near = nearest(ref.slice(0, 200), [other.slice(0, 200), 'list']);
        if (near !== null) expect([other.slice(0, 200), 'list']).toContain(near);
      }),
    );
  });
});

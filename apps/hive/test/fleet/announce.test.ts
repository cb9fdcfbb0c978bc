import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Hive, RbeeError, toErrorBody } from '@rbee/contract';
import { createManualClock, createWatch } from '@rbee/testing';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { announce } from '../../src/fleet/announce.ts';

// Goal: a queen that is up knows the hive, and the hive's log names a problem once.
// Method: a fake queen with scripted responses, and a manual clock.

const HIVE: Hive = {
  hive_id: 'hive-a',
  hive_url: 'http://127.0.0.1:1',
  online: true,
  last_seen_at: null,
  version: null,
  active_downloads: 0,
  downloads: null,
  speed_bps: 0,
  free_bytes: null,
  max_bandwidth: null,
  max_concurrent_downloads: null,
  problem: null,
};

const clock = createManualClock();
let server: Server;
let dispatcher: Agent;
let reply: { status: number; body: unknown } | ((response: ServerResponse) => void);
let deadlines: AbortController[];
let asked: number;
let log: string[];
let stop: () => void;
const watch = createWatch(() => log.join('\n'));

beforeEach(async () => {
  asked = 0;
  log = [];
  deadlines = [];
  reply = { status: 200, body: HIVE };
  dispatcher = new Agent();
  server = createServer((request, response) => {
    asked += 1;
    request.resume();
    watch.poke();
    if (typeof reply === 'function') return reply(response);
    response.writeHead(reply.status, { 'content-type': 'application/json' }).end(JSON.stringify(reply.body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const queenUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const say = (fields: object, message: string) => {
    log.push('problem' in fields ? `${message}: ${String(fields.problem)}` : message);
  };
  const deadline = (ms: number) => {
    expect(ms).toBe(5_000);
    const controller = new AbortController();
    deadlines.push(controller);
    return controller.signal;
  };
  const deps = { queenUrl, token: null, dispatcher, clock, log: { info: say, warn: say }, deadline };
  stop = announce(deps, { hive_id: 'hive-a', hive_url: 'http://127.0.0.1:1' });
});
afterEach(async () => {
  stop();
  await dispatcher.destroy();
  server.closeAllConnections();
  server.close();
});

/** Waits for that many requests, and for the timer of the next one. */
const spoken = (times: number) => watch.waitFor(() => asked === times && clock.pending === 1, `${times} requests`);

describe('a hive that has a queen', () => {
  it('registers every 5 s and logs it once', async () => {
    await spoken(1);
    clock.advance(4_999);
    expect(asked).toBe(1);
    clock.advance(1);
    await spoken(2);
    expect(log).toEqual(['registered with the queen']);
  });

  it('retries after 100 ms, doubling to 5 s, while the queen refuses it, and logs the reason once', async () => {
    await spoken(1);
    const refusal = new RbeeError('STATUS_CONFLICT', 'a hive named hive-a answers already');
    reply = { status: 409, body: toErrorBody(refusal, 'r') };
    clock.advance(5_000);
    await spoken(2);
    for (const [index, delay] of [100, 200, 400, 800, 1_600, 3_200, 5_000].entries()) {
      clock.advance(delay - 1);
      expect(asked).toBe(2 + index);
      clock.advance(1);
      await spoken(3 + index);
    }
    reply = { status: 500, body: 'odd' };
    clock.advance(5_000);
    await spoken(10);
    reply = { status: 200, body: HIVE };
    clock.advance(5_000);
    await spoken(11);
    expect(log).toEqual([
      'registered with the queen',
      'not registered with the queen: refused: a hive named hive-a answers already',
      'not registered with the queen: it responded with status 500',
      'registered with the queen',
    ]);
  });

  it.each([
    ['sends nothing', () => {}],
    ['sends headers and no body', (response: ServerResponse) => response.writeHead(200).flushHeaders()],
    ['sends a body that trickles in', (response: ServerResponse) => void response.writeHead(200).write(' ')],
  ])('times out on a queen that %s, and retries', async (_what, silent) => {
    await spoken(1);
    reply = silent;
    clock.advance(5_000);
    await watch.waitFor(() => asked === 2, 'the second request');
    deadlines.at(-1)?.abort(new Error('too late'));
    await spoken(2);
    expect(log.at(-1)).toBe('not registered with the queen: too late');
    reply = { status: 200, body: HIVE };
    clock.advance(100);
    await spoken(3);
    expect(log.at(-1)).toBe('registered with the queen');
  });

  it('stops reading an endless response', async () => {
    await spoken(1);
    reply = (response) => {
      const pour = () => {
        while (response.write('x'.repeat(16_384)));
        response.once('drain', pour);
      };
      pour();
    };
    clock.advance(5_000);
    await spoken(2);
    expect(log.at(-1)).toBe('not registered with the queen: its response is larger than 64 KiB');
  });
});

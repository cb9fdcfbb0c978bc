import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RbeeError, toErrorBody } from '@rbee/contract';
import { createManualClock, createWatch } from '@rbee/testing';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { announce } from '../../src/fleet/announce.ts';

// Goal: a hive is known to a queen whenever there is one, and its log says what is wrong without repeating itself.
// Method: a queen that answers what she is told to, and a clock in the hand.

const clock = createManualClock();
let server: Server;
let dispatcher: Agent;
let answer: { status: number; body: unknown } | ((response: ServerResponse) => void);
let deadlines: AbortController[];
let asked: number;
let log: string[];
let stop: () => void;
const watch = createWatch(() => log.join('\n'));

beforeEach(async () => {
  asked = 0;
  log = [];
  deadlines = [];
  answer = { status: 200, body: {} };
  dispatcher = new Agent();
  server = createServer((request, response) => {
    asked += 1;
    request.resume();
    watch.poke();
    if (typeof answer === 'function') return answer(response);
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
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

/** Waits until it has spoken so many times, and waits for its next turn. */
const spoken = (times: number) => watch.waitFor(() => asked === times && clock.pending === 1, `${times} requests`);

describe('a hive that has a queen', () => {
  it('says every 5 s that it is there, and logs once that she knows', async () => {
    await spoken(1);
    clock.advance(4_999);
    expect(asked).toBe(1);
    clock.advance(1);
    await spoken(2);
    expect(log).toEqual(['registered with the queen']);
  });

  it('tries again after 100 ms, doubling to 5 s, while she refuses it, and says why once', async () => {
    await spoken(1);
    const refusal = new RbeeError('STATUS_CONFLICT', 'a hive named hive-a answers already');
    answer = { status: 409, body: toErrorBody(refusal, 'r') };
    clock.advance(5_000);
    await spoken(2);
    for (const [index, delay] of [100, 200, 400, 800, 1_600, 3_200, 5_000].entries()) {
      clock.advance(delay - 1);
      expect(asked).toBe(2 + index);
      clock.advance(1);
      await spoken(3 + index);
    }
    answer = { status: 500, body: 'odd' };
    clock.advance(5_000);
    await spoken(10);
    answer = { status: 200, body: {} };
    clock.advance(5_000);
    await spoken(11);
    expect(log).toEqual([
      'registered with the queen',
      'queen not reached: she refuses this hive: a hive named hive-a answers already',
      'queen not reached: it answers 500',
      'registered with the queen',
    ]);
  });

  it.each([
    ['answers nothing', () => {}],
    ['sends the head of an answer and no more', (response: ServerResponse) => response.writeHead(200).flushHeaders()],
    ['sends an answer drop by drop', (response: ServerResponse) => void response.writeHead(200).write(' ')],
  ])('gives up a queen that %s, and tries again', async (_what, silent) => {
    await spoken(1);
    answer = silent;
    clock.advance(5_000);
    await watch.waitFor(() => asked === 2, 'the second request');
    deadlines.at(-1)?.abort(new Error('too late'));
    await spoken(2);
    expect(log.at(-1)).toBe('queen not reached: too late');
    answer = { status: 200, body: {} };
    clock.advance(100);
    await spoken(3);
    expect(log.at(-1)).toBe('registered with the queen');
  });

  it('gives up an answer that has no end', async () => {
    await spoken(1);
    answer = (response) => {
      const pour = () => {
        while (response.write('x'.repeat(16_384)));
        response.once('drain', pour);
      };
      pour();
    };
    clock.advance(5_000);
    await spoken(2);
    expect(log.at(-1)).toBe('queen not reached: her answer has no end');
  });
});

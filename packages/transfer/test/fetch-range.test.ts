import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fetchRange } from '../src/fetch-range.ts';
import type { RangeFlow, RangeSink } from '../src/range-sink.ts';
import type { RangeHead, RangeRequest } from '../src/response-head.ts';
import { type Answer, type FaultServer, refuse, serve, stall, startFaultServer } from './fault-server.ts';
import { createFixture, type Fixture } from './fixture.ts';

let fixture: Fixture;
let other: FaultServer;
beforeEach(async () => {
  fixture = await createFixture();
  other = await startFaultServer(serve(fixture.file));
});
afterEach(async () => {
  await other.close();
  await fixture.close();
});

const redirectTo =
  (location: string, status = 302): Answer =>
  (_request, response) =>
    void response.writeHead(status, { location }).end('moved');

function rangeOf(change: Partial<RangeRequest> = {}): RangeRequest {
  const size = fixture.file.content.length;
  const url = `${fixture.server.url}/model.bin`;
  const known = { start: 0, size, validator: null, isVerified: true, name: 'model.bin' };
  return { url, headers: { Authorization: 'Bearer t0ken' }, ...known, ...change };
}

function collect(write: (chunk: Buffer, flow: RangeFlow) => boolean = () => true) {
  const chunks: Buffer[] = [];
  const heads: RangeHead[] = [];
  let flow: RangeFlow = { resume: () => {}, abort: () => {}, stop: () => {} };
  const sink: RangeSink = {
    start: async (head, given) => {
      heads.push(head);
      flow = given;
    },
    write: (chunk) => {
      chunks.push(chunk);
      return write(chunk, flow);
    },
  };
  return { sink, heads, bytes: () => Buffer.concat(chunks) };
}

describe('redirects', () => {
  test('are followed five times, relative ones too', async () => {
    const { server } = fixture;
    server.script(...[1, 2, 3, 4, 5].map((n) => redirectTo(`/hop${n}`, [301, 302, 303, 307, 308][n - 1])));
    const { sink, bytes } = collect();
    await fetchRange(rangeOf(), fixture.options(), sink);
    expect(bytes().equals(fixture.file.content)).toBe(true);
    expect(server.requests.map(({ url }) => url)).toEqual(['/model.bin', '/hop1', '/hop2', '/hop3', '/hop4', '/hop5']);
    expect(server.requests.at(-1)?.headers.authorization).toBe('Bearer t0ken');
  });

  test('without an end are a fault', async () => {
    fixture.server.fallback(redirectTo('/again'));
    await expect(fetchRange(rangeOf(), fixture.options(), collect().sink)).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
    });
    expect(fixture.server.requests).toHaveLength(6);
  });

  test('to another origin leave the token behind, and do not take it up again on the way back', async () => {
    const { server } = fixture;
    server.script(redirectTo(`${other.url}/there`));
    other.script(redirectTo(`${server.url}/back`));
    const range = rangeOf({ start: 1_000, validator: '"v1"' });
    const { sink, bytes } = collect();
    await fetchRange(range, fixture.options(), sink);
    expect(bytes().equals(fixture.file.content.subarray(1_000))).toBe(true);
    const sent = [server.requests[0], other.requests[0], server.requests[1]];
    expect(sent.map((request) => request?.headers.authorization)).toEqual(['Bearer t0ken', undefined, undefined]);
    expect(sent.map((request) => request?.headers.range)).toEqual(Array(3).fill('bytes=1000-'));
  });

  test.each([
    ['file:///etc/passwd', 'SOURCE_NOT_ALLOWED'],
    ['ftp://127.0.0.1/x', 'SOURCE_NOT_ALLOWED'],
    ['http://', 'DOWNLOAD_FAILED'],
  ])('to %s are refused', async (location, code) => {
    fixture.server.script(redirectTo(location));
    await expect(fetchRange(rangeOf(), fixture.options(), collect().sink)).rejects.toMatchObject({ code });
  });

  test('and refusals leave the connection usable', async () => {
    const { server } = fixture;
    server.script(redirectTo('/x'), refuse(503));
    await expect(fetchRange(rangeOf(), fixture.options(), collect().sink)).rejects.toThrow();
    await fetchRange(rangeOf(), fixture.options(), collect().sink);
    expect(server.requests).toHaveLength(3);
    expect(server.openSockets).toBe(server.acceptedSockets);
  });

  test('with an endless body are not read to the end', async () => {
    fixture.server.script((_request, response) => {
      response.writeHead(302, { location: '/x' });
      const pour = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        response.once('drain', pour);
      };
      pour();
    });
    const { sink, bytes } = collect();
    await fetchRange(rangeOf(), fixture.options(), sink);
    expect(bytes().equals(fixture.file.content)).toBe(true);
  });
});

describe('the sink', () => {
  test('is told of the answer before any byte, and no byte comes until it is ready', async () => {
    const order: string[] = [];
    const sink: RangeSink = {
      start: async () => {
        order.push('start');
        await new Promise((resolve) => setImmediate(resolve));
        order.push('ready');
      },
      write: () => {
        order.push('bytes');
        return true;
      },
    };
    await fetchRange(rangeOf(), fixture.options(), sink);
    expect(order.slice(0, 3)).toEqual(['start', 'ready', 'bytes']);
  });

  test('holds the server back: what it does not take stays in the network', async () => {
    const { server, file } = fixture;
    const big = { content: Buffer.alloc(64 * 2 ** 20, 'x'), etag: '"big"' };
    server.script(serve(big));
    let taken = 0;
    let isHolding = true;
    const held = Promise.withResolvers<RangeFlow>();
    const { sink } = collect((chunk, flow) => {
      taken += chunk.length;
      if (taken < file.content.length || !isHolding) return true;
      held.resolve(flow);
      return false;
    });
    const done = fetchRange(rangeOf({ size: big.content.length }), fixture.options(), sink);
    const flow = await held.promise;
    const takenThen = taken;
    // A second file over another connection shows that the loop has turned many times meanwhile.
    await fetchRange(rangeOf(), fixture.options(), collect().sink);
    expect(taken - takenThen).toBeLessThanOrEqual(131_072);
    expect(server.bytesSent).toBeLessThan(big.content.length);
    isHolding = false;
    flow.resume();
    await done;
    expect(taken).toBe(big.content.length);
  });

  test('that holds the flow for long is no stall of the server', async () => {
    const held = Promise.withResolvers<RangeFlow>();
    let isFirst = true;
    const { sink, bytes } = collect((_chunk, flow) => {
      const goesOn = !isFirst;
      isFirst = false;
      if (!goesOn) held.resolve(flow);
      return goesOn;
    });
    const stalls: string[] = [];
    const options = { ...fixture.options({ stallTimeoutMs: 300 }), onStall: () => void stalls.push('stall') };
    const done = fetchRange(rangeOf(), options, sink);
    const flow = await held.promise;
    // What passes here is more than the stall clock allows: a transfer that really stalls measures it.
    const other = fixture.options({ stallTimeoutMs: 400 });
    fixture.server.script(serve(fixture.file, { bytes: 1_000, after: stall }));
    await expect(fetchRange(rangeOf(), other, collect().sink)).rejects.toMatchObject({ code: 'DOWNLOAD_TIMEOUT' });
    flow.resume();
    await done;
    expect(stalls).toEqual([]);
    expect(bytes().equals(fixture.file.content)).toBe(true);
  });

  test('may end the request with an error of its own, which closes the connection', async () => {
    const full = new Error('no room');
    const { sink } = collect((_chunk, flow) => {
      flow.abort(full);
      return true;
    });
    await expect(fetchRange(rangeOf(), fixture.options(), sink)).rejects.toBe(full);
    await fixture.server.until(() => fixture.server.openSockets === 0);
    await expect(
      fetchRange(rangeOf(), fixture.options(), { start: () => Promise.reject(full), write: () => true }),
    ).rejects.toBe(full);
    await fixture.server.until(() => fixture.server.openSockets === 0);
  });
});

import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { corrupted } from './content.ts';
import type { Fault } from './fault.ts';
import { type Reply, type ReplyBody, textReply } from './reply.ts';
import type { RequestEntry } from './request.ts';
import type { Throttle } from './throttle.ts';

export interface SendContext {
  readonly response: ServerResponse;
  readonly entry: RequestEntry;
  readonly fault: Fault | null;
  readonly throttle: Throttle;
  /** Aborted when the connection is gone. */
  readonly gone: AbortSignal;
  /** Called when something changed. */
  poke(): void;
}

const deliveryMs = 50;
const maxSliceSize = 256 * 1024;
const HTML_PAGE = '<!doctype html><html><head><title>Sign in</title></head><body>Sign in to this network</body></html>';

/** Sends the reply with the fault applied. Resolves when the response is over or the fault has left it hanging. */
export async function sendReply(reply: Reply, context: SendContext): Promise<void> {
  const { response, entry, fault } = context;
  if (fault?.kind === 'no_headers') return;
  if (fault?.kind === 'drop') {
    response.socket?.resetAndDestroy();
    return;
  }
  const { status, headers, body } = fault === null ? reply : withFault(reply, fault);
  response.writeHead(status, headers);
  // Node sends flushed headers as UTF-8, which is not what a value of raw bytes is written for.
  if (!/[^\x00-\x7f]/.test(Object.values(headers).join(''))) response.flushHeaders();
  entry.status = status;
  context.poke();
  if (body === null || entry.method === 'HEAD') {
    response.end();
    return;
  }
  await sendBody(body, context);
}

async function sendBody(body: ReplyBody, context: SendContext): Promise<void> {
  const { response, entry, fault, gone } = context;
  const cut = fault?.kind === 'reset' || fault?.kind === 'close' || fault?.kind === 'stall' ? fault : null;
  const end = cut === null ? body.end : Math.min(body.end, body.start + cut.afterBytes);
  const allowance = context.throttle.open();
  for (let at = body.start; at < end; ) {
    const allowed = await allowance.take(Math.min(maxSliceSize, end - at), gone);
    if (gone.aborted) return;
    await write(response, body.content.read(at, at + allowed));
    if (gone.aborted) return;
    at += allowed;
    entry.bytesSent += allowed;
    context.poke();
  }
  if (cut?.kind === 'stall') return;
  if (cut?.kind === 'reset') await resetSoon(response, gone);
  else if (cut?.kind === 'close') response.socket?.destroySoon();
  else response.end();
}

/** A reset discards bytes that the kernel has not delivered yet, so the kernel gets a moment to deliver them. */
async function resetSoon(response: ServerResponse, gone: AbortSignal): Promise<void> {
  await delay(deliveryMs, undefined, { signal: gone }).catch(() => undefined);
  response.socket?.resetAndDestroy();
}

/** Resolves when the kernel has taken the bytes, or the connection is gone. */
function write(response: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('close', done);
      resolve();
    };
    response.once('close', done);
    response.write(bytes, done);
  });
}

function withFault(reply: Reply, fault: Fault): Reply {
  switch (fault.kind) {
    case 'status':
      return textReply(fault.status, fault.body ?? '', fault.headers);
    case 'html':
      return textReply(200, HTML_PAGE, {}, 'text/html; charset=utf-8');
    case 'wrong_etag':
      return withHeader(reply, 'ETag', fault.etag ?? '"00000000000000000000000000000000"');
    case 'wrong_content_range':
      return reply.status === 206 ? withHeader(reply, 'Content-Range', fault.value ?? shiftedRange(reply)) : reply;
    case 'corrupt':
      return reply.body === null
        ? reply
        : { ...reply, body: { ...reply.body, content: corrupted(reply.body.content, fault.at) } };
    case 'no_length': {
      const { 'Content-Length': _, ...headers } = reply.headers;
      return { ...reply, headers };
    }
    default:
      return reply;
  }
}

const withHeader = (reply: Reply, name: string, value: string): Reply => ({
  ...reply,
  headers: { ...reply.headers, [name]: value },
});

function shiftedRange(reply: Reply): string {
  if (reply.body === null) throw new Error('a response with a range has no body');
  const { start, end, content } = reply.body;
  return `bytes ${start + 1}-${end}/${content.size}`;
}

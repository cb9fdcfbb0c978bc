import { type Clock, type DoctorCheck, RbeeError } from '@rbee/contract';
import type { HubAccess } from '../sources/hugging-face/hub-file.ts';
import { askHub, type HubAnswer } from './ask-hub.ts';
import { checkDns } from './check-dns.ts';
import { checkProxy } from './check-proxy.ts';
import { checkTls } from './check-tls.ts';
import { judgeRange, judgeSpeed, readSample, type Sample } from './download-sample.ts';
import { isAnswerOfHub, judgeClock, judgeHub, judgeToken } from './judge-hub.ts';
import { type HubRoute, routeTo } from './proxy-route.ts';
import type { Run } from './run-check.ts';
import { failureOf, skipped, type Verdict } from './verdict.ts';

const ASK_MS = 8_000;
const SAMPLE_MS = 10_000;

const OF_HUB = ['dns', 'proxy', 'tls', 'clock', 'token', 'hub', 'range', 'speed'] as const;

export interface HubChecksDeps {
  readonly clock: Clock;
  readonly hub: HubAccess;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export function withoutHub(run: Run): Promise<DoctorCheck>[] {
  return OF_HUB.map((check) => run(check, () => skipped('HF_HUB_OFFLINE is set: the hub is not asked')));
}

/** The checks of the way to the hub. One question and one piece of a file answer most of them. */
export function checksOfHub(deps: HubChecksDeps, run: Run, signal: AbortSignal): Promise<DoctorCheck>[] {
  const { clock, hub } = deps;
  const route = routeTo(new URL(hub.endpoint), deps.env);
  const { host } = route.hub;
  const dns = run('dns', () => checkDns(route));
  const proxy = run('proxy', (limit) => checkProxy(route, limit));
  const tls = run('tls', (limit) => checkTlsAfter([dns, proxy], route, clock, limit));
  const way = [dns, proxy, tls];

  const answer = settled(inTime(ASK_MS, signal, host, (limit) => askHub(hub, clock, limit)));
  const ofAnswer = async (judge: (answer: HubAnswer) => Promise<Verdict> | Verdict): Promise<Verdict> => {
    const asked = await answer;
    return asked.ok ? judge(asked.value) : skipped(`not tested: ${host} was not reached`);
  };
  const token = run('token', () => ofAnswer((asked) => judgeToken(hub.endpoint, asked, hub.token !== null)));
  const sample = settled(sampleAfter(answer, token, { deps, signal, host }));
  const ofSample = (failure: (error: unknown) => Verdict, judge: (sample: Sample | null, host: string) => Verdict) =>
    ofAnswer(async () => {
      const read = await sample;
      return read.ok ? judge(read.value, host) : failure(read.error);
    });
  return [
    ...way,
    token,
    run('clock', () => ofAnswer((asked) => judgeClock(host, asked))),
    run('hub', async () => {
      const asked = await answer;
      if (!asked.ok) return blaming(failureOf(asked.error), await Promise.all(way));
      const read = isAnswerOfHub(asked.value) ? null : await sample;
      return judgeHub(host, asked.value, read?.ok === true && read.value !== null);
    }),
    run('range', () => ofSample(failureOf, judgeRange)),
    run('speed', () => ofSample(() => skipped('not tested: nothing could be read (see range)'), judgeSpeed)),
  ];
}

async function checkTlsAfter(
  earlier: readonly Promise<DoctorCheck>[],
  route: HubRoute,
  clock: Clock,
  signal: AbortSignal,
): Promise<Verdict> {
  const broken = (await Promise.all(earlier)).find(({ status }) => status === 'failed');
  if (broken !== undefined) return skipped(`not tested: ${route.hub.host} was not reached (see ${broken.check})`);
  return checkTls(route, clock.now(), signal);
}

/** What is read is public: a token that the hub does not know, which would be refused for that as well, is left out. */
async function sampleAfter(
  answer: Promise<Settled<HubAnswer>>,
  token: Promise<DoctorCheck>,
  { deps, signal, host }: { deps: HubChecksDeps; signal: AbortSignal; host: string },
): Promise<Sample | null> {
  if (!(await answer).ok) return null;
  const access = (await token).status === 'ok' ? deps.hub : { ...deps.hub, token: null };
  return inTime(SAMPLE_MS, signal, host, (limit) => readSample(access, deps.clock, limit));
}

async function inTime<T>(
  limitMs: number,
  signal: AbortSignal,
  host: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeout = AbortSignal.timeout(limitMs);
  try {
    return await work(AbortSignal.any([signal, timeout]));
  } catch (error) {
    signal.throwIfAborted();
    if (!timeout.aborted) throw error;
    throw new RbeeError('DOWNLOAD_TIMEOUT', `${host} did not answer within ${limitMs / 1_000} s`, {
      hint: 'look at the network and the proxy settings of this machine',
    });
  }
}

/** Where another check has found why the hub cannot be reached, that is the one to follow. */
function blaming(verdict: Verdict, causes: readonly DoctorCheck[]): Verdict {
  const cause = causes.find(({ status }) => status === 'failed');
  return cause === undefined ? verdict : { ...verdict, hint: `see ${cause.check}` };
}

type Settled<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/** An answer that several checks look at, each for itself. */
function settled<T>(work: Promise<T>): Promise<Settled<T>> {
  return work.then(
    (value) => ({ ok: true, value }) as const,
    (error: unknown) => ({ ok: false, error }) as const,
  );
}

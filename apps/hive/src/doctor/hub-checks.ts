import type { Clock, DoctorCheck } from '@rbee/contract';
import { inTime } from '../sources/http/in-time.ts';
import type { Proxies } from '../sources/http/proxy/proxies.ts';
import type { HubAccess } from '../sources/hugging-face/hub-file.ts';
import { fixedToken } from '../sources/hugging-face/hub-token.ts';
import { checkDns } from './check-dns.ts';
import { checkProxy } from './check-proxy.ts';
import { checkTls } from './check-tls.ts';
import { judgeRange, judgeSpeed, readSample, type Sample } from './download-sample.ts';
import { requestWhoami, type WhoamiResponse } from './hub-request.ts';
import { isHubResponse, judgeClock, judgeHub, judgeToken } from './judge-hub.ts';
import { type HubRoute, routeTo } from './proxy-route.ts';
import type { Run } from './run-check.ts';
import { failureOf, skipped, type Verdict } from './verdict.ts';

const WHOAMI_MS = 8_000;
const SAMPLE_MS = 10_000;

const OF_HUB = ['dns', 'proxy', 'tls', 'clock', 'token', 'hub', 'range', 'speed'] as const;

export interface HubChecksDeps {
  readonly clock: Clock;
  readonly hub: HubAccess;
  /** The same as the dispatcher has. */
  readonly proxies: Proxies;
}

export function withoutHub(run: Run): Promise<DoctorCheck>[] {
  return OF_HUB.map((check) => run(check, () => skipped('HF_HUB_OFFLINE is set: no request is sent to the hub')));
}

/** The checks of the route to the hub. Most of them share one request and one range of a file. */
export function checksOfHub(deps: HubChecksDeps, run: Run, signal: AbortSignal): Promise<DoctorCheck>[] {
  const { clock, hub } = deps;
  const route = routeTo(new URL(hub.endpoint), deps.proxies);
  const { host } = route.hub;
  const dns = run('dns', () => checkDns(route));
  const proxy = run('proxy', (limit) => checkProxy(route, limit));
  const tls = run('tls', (limit) => checkTlsAfter([dns, proxy], route, clock, limit));
  const connection = [dns, proxy, tls];

  const whoami = settled(inTime(WHOAMI_MS, signal, host, (limit) => requestWhoami(hub, clock, limit)));
  const ofWhoami = async (judge: (response: WhoamiResponse) => Promise<Verdict> | Verdict): Promise<Verdict> => {
    const settledWhoami = await whoami;
    return settledWhoami.ok ? judge(settledWhoami.value) : skipped(`not tested: ${host} was not reached`);
  };
  const token = run('token', () => ofWhoami((response) => judgeToken(hub.endpoint, response, hub.token)));
  const sample = settled(sampleAfter(whoami, token, { deps, signal, host }));
  const ofSample = (failure: (error: unknown) => Verdict, judge: (sample: Sample | null, host: string) => Verdict) =>
    ofWhoami(async () => {
      const read = await sample;
      return read.ok ? judge(read.value, host) : failure(read.error);
    });
  return [
    ...connection,
    token,
    run('clock', () => ofWhoami((response) => judgeClock(host, response))),
    run('hub', async () => {
      const response = await whoami;
      if (!response.ok) return blaming(failureOf(response.error), await Promise.all(connection));
      const read = isHubResponse(response.value) ? null : await sample;
      return judgeHub(host, response.value, read?.ok === true && read.value !== null);
    }),
    run('range', () => ofSample(failureOf, judgeRange)),
    run('speed', () => ofSample(() => skipped('not tested: nothing could be read (see range)'), judgeSpeed)),
  ];
}

async function checkTlsAfter(
  previous: readonly Promise<DoctorCheck>[],
  route: HubRoute,
  clock: Clock,
  signal: AbortSignal,
): Promise<Verdict> {
  const broken = (await Promise.all(previous)).find(({ status }) => status === 'failed');
  if (broken !== undefined) return skipped(`not tested: ${route.hub.host} was not reached (see ${broken.check})`);
  return checkTls(route, clock.now(), signal);
}

/** The sample is public: a token that the hub rejects would be rejected here too, so it is left out. */
async function sampleAfter(
  whoami: Promise<Settled<WhoamiResponse>>,
  token: Promise<DoctorCheck>,
  { deps, signal, host }: { deps: HubChecksDeps; signal: AbortSignal; host: string },
): Promise<Sample | null> {
  if (!(await whoami).ok) return null;
  const access = (await token).status === 'ok' ? deps.hub : { ...deps.hub, token: fixedToken(null) };
  return inTime(SAMPLE_MS, signal, host, (limit) => readSample(access, deps.clock, limit));
}

/** If another check found why the hub cannot be reached, point to that one. */
function blaming(verdict: Verdict, causes: readonly DoctorCheck[]): Verdict {
  const cause = causes.find(({ status }) => status === 'failed');
  return cause === undefined ? verdict : { ...verdict, hint: `see ${cause.check}` };
}

type Settled<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/** A result that several checks use, its failure included. */
function settled<T>(work: Promise<T>): Promise<Settled<T>> {
  return work.then(
    (value) => ({ ok: true, value }) as const,
    (error: unknown) => ({ ok: false, error }) as const,
  );
}

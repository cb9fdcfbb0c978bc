import { type DoctorCheck, type FleetDoctor, RbeeError } from '@rbee/contract';
import type { FleetReport } from '../answers.ts';
import { exitCodes } from '../errors/exit-codes.ts';
import { toFailure } from '../errors/failure.ts';
import type { CommandDeps } from './command-deps.ts';
import { createChecks, judgeClock, judgeHives, judgeVersions, type KeeperChecks } from './doctor-checks.ts';
import { suggestingHives } from './suggest-hives.ts';

const TOKEN_CODES: readonly string[] = ['API_KEY_MISSING', 'API_KEY_INVALID'];

export interface DoctorRequest {
  /** The one hive to ask; undefined: all of them. */
  readonly hive: string | undefined;
  /** The version of this program. */
  readonly version: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/**
 * What the keeper finds on the way to the queen, and the hives on theirs to the hub. What fails is a part of the report.
 * @throws RbeeError HIVE_NOT_FOUND; the signal's reason on abort
 */
export async function examineFleet(deps: CommandDeps, request: DoctorRequest): Promise<FleetReport> {
  const checks = createChecks(request.now);
  const isThere = (await greet(deps, checks, request.now)) && (await checkAccess(deps, checks, request));
  const hives = isThere ? await askHives(deps, checks, request.hive) : [];
  return { queen_url: deps.client.url, keeper: { checks: checks.found }, hives };
}

/** Whether anything failed: warnings are none of that. */
export function exitCodeOfReport({ keeper, hives }: FleetReport): number {
  const all: readonly DoctorCheck[] = [...keeper.checks, ...hives.flatMap(({ checks = [] }) => checks)];
  const isFine = all.every(({ status }) => status !== 'failed') && hives.every(({ error }) => error === undefined);
  return isFine ? exitCodes.done : exitCodes.failed;
}

/** Whether anything answers; it also tells the time. */
async function greet({ client, signal }: CommandDeps, checks: KeeperChecks, now: () => number): Promise<boolean> {
  const startedAtMs = now();
  try {
    const { date } = await client.greet(signal);
    const endedAtMs = now();
    checks.add('queen', { status: 'ok', message: `${client.url} answers in ${endedAtMs - startedAtMs} ms` });
    checks.add('clock', judgeClock(date, startedAtMs, endedAtMs));
    return true;
  } catch (error) {
    signal.throwIfAborted();
    checks.add('queen', await failureOf(error));
    return false;
  }
}

/** Whether she lets the keeper in, and is of its version. */
async function checkAccess(
  { client, signal }: CommandDeps,
  checks: KeeperChecks,
  request: DoctorRequest,
): Promise<boolean> {
  try {
    const [{ version }, hives] = await Promise.all([client.info(signal), client.hives(signal)]);
    checks.add('token', {
      status: 'ok',
      message: client.hasToken ? 'the queen takes the token' : 'the queen asks for none',
    });
    const asked = hives.filter((hive) => request.hive === undefined || hive.hive_id === request.hive);
    checks.add('versions', judgeVersions(request.version, version, asked));
    if (request.hive === undefined) checks.add('hives', judgeHives(hives));
    return true;
  } catch (error) {
    signal.throwIfAborted();
    const isToken = error instanceof RbeeError && TOKEN_CODES.includes(error.code);
    checks.add(isToken ? 'token' : 'queen', await failureOf(error));
    return false;
  }
}

async function askHives(
  deps: CommandDeps,
  checks: KeeperChecks,
  hive: string | undefined,
): Promise<FleetDoctor['hives']> {
  const { client, signal } = deps;
  const named = hive === undefined ? [] : [hive];
  try {
    return (await suggestingHives(deps, named, () => client.doctor(hive, signal))).hives;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RbeeError && error.code === 'HIVE_NOT_FOUND') throw error;
    checks.add('hives', await failureOf(error));
    return [];
  }
}

async function failureOf(error: unknown) {
  const { message, hint } = await toFailure(error);
  return { status: 'failed', message, ...(hint === undefined ? {} : { hint }) } as const;
}

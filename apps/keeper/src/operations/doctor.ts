import { type DoctorCheck, type FleetDoctor, RbeeError } from '@rbee/contract';
import { exitCodes } from '../errors/exit-codes.ts';
import { toFailure } from '../errors/failure.ts';
import type { FleetReport } from '../results.ts';
import type { CommandDeps } from './command-deps.ts';
import { createChecks, judgeClock, judgeHives, judgeVersions, type KeeperChecks } from './doctor-checks.ts';
import { suggestingHives } from './suggest-hives.ts';

const TOKEN_CODES: readonly string[] = ['API_KEY_MISSING', 'API_KEY_INVALID'];

export interface DoctorRequest {
  /** Only this hive; undefined for all. */
  readonly hive: string | undefined;
  /** The version of this program. */
  readonly version: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/**
 * Checks the connection to the queen, and has the hives check theirs to the hub and their disks. Failures are part of the
 * report.
 * @throws RbeeError HIVE_NOT_FOUND; the signal's reason on abort
 */
export async function examineFleet(deps: CommandDeps, request: DoctorRequest): Promise<FleetReport> {
  const checks = createChecks(request.now);
  const isThere = (await greet(deps, checks, request.now)) && (await checkAccess(deps, checks, request));
  const hives = isThere ? await checkHives(deps, checks, request.hive) : [];
  return { queen_url: deps.client.url, keeper: { checks: checks.found }, hives };
}

/** The exit code: failed checks count, warnings do not. */
export function exitCodeOfReport({ keeper, hives }: FleetReport): number {
  const all: readonly DoctorCheck[] = [...keeper.checks, ...hives.flatMap(({ checks = [] }) => checks)];
  const isFine = all.every(({ status }) => status !== 'failed') && hives.every(({ error }) => error === undefined);
  return isFine ? exitCodes.done : exitCodes.failed;
}

/** Checks that the queen responds, and its clock. */
async function greet({ client, signal }: CommandDeps, checks: KeeperChecks, now: () => number): Promise<boolean> {
  const startedAtMs = now();
  try {
    const { date } = await client.greet(signal);
    const endedAtMs = now();
    checks.add('queen', { status: 'ok', message: `${client.url} responded in ${endedAtMs - startedAtMs} ms` });
    checks.add('clock', judgeClock(date, startedAtMs, endedAtMs));
    return true;
  } catch (error) {
    signal.throwIfAborted();
    checks.add('queen', await failureOf(error));
    return false;
  }
}

/** Checks the token, the versions and the hives. */
async function checkAccess(
  { client, signal }: CommandDeps,
  checks: KeeperChecks,
  request: DoctorRequest,
): Promise<boolean> {
  try {
    const [{ version }, hives] = await Promise.all([client.info(signal), client.hives(signal)]);
    checks.add('token', {
      status: 'ok',
      message: client.hasToken ? 'accepted by the queen' : 'no token needed',
    });
    const selected = hives.filter((hive) => request.hive === undefined || hive.hive_id === request.hive);
    checks.add('versions', judgeVersions(request.version, version, selected));
    if (request.hive === undefined) checks.add('hives', judgeHives(hives));
    return true;
  } catch (error) {
    signal.throwIfAborted();
    const isToken = error instanceof RbeeError && TOKEN_CODES.includes(error.code);
    checks.add(isToken ? 'token' : 'queen', await failureOf(error));
    return false;
  }
}

async function checkHives(
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

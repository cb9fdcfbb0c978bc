import { failuresOf } from '../verdict.ts';
import { verdictsOf } from './report.ts';
import type { ScenarioResult } from './results.ts';

/**
 * What speaks against these results, a line each; none is a pass. A target whose peer nobody asked for is not counted,
 * but what could not be run for want of a program is: a gate that measures nothing must not pass.
 */
export function gateFailures(results: readonly ScenarioResult[]): string[] {
  return results.flatMap((result) => {
    const lacks = result.skips.map(({ client, reason }) => `${client ?? 'all clients'}: ${reason}`);
    return failuresOf(result.scenario, lacks, verdictsOf(result));
  });
}

import { median, medianOrNull, medianRatio } from '../stats.ts';
import { atLeast, atMost, type Verdict } from '../verdict.ts';
import { bytesPerMb, type Samples } from './results.ts';
import type { Target } from './scenarios.ts';

/** How the transfer engine stands to one of its targets. */
export function judge(target: Target, samples: Samples): Verdict {
  const value = measured(target, samples);
  switch (target.kind) {
    case 'ratio':
      return atLeast(`throughput over that of ${target.over}`, target.atLeast, value);
    case 'line':
      return atLeast(
        `share of a line of ${Math.round(target.bytesPerSecond / bytesPerMb)} MB/s`,
        target.atLeast,
        value,
      );
    case 'cpu':
      return atMost('CPU seconds per GiB', target.atMostSecondsPerGib, value);
    case 'memory':
      return atMost('peak memory in MB', target.atMostMb, value);
  }
}

function measured(target: Target, samples: Samples): number | null {
  const ours = samples.rbee ?? [];
  if (ours.length === 0) return null;
  const speeds = ours.map(({ mbPerSecond }) => mbPerSecond);
  switch (target.kind) {
    case 'ratio': {
      const theirs = samples[target.over];
      if (theirs === undefined) return null;
      return medianRatio(
        speeds,
        theirs.map(({ mbPerSecond }) => mbPerSecond),
      );
    }
    case 'line':
      return median(speeds) / (target.bytesPerSecond / bytesPerMb);
    case 'cpu':
      return median(ours.map(({ cpuSecondsPerGib }) => cpuSecondsPerGib));
    case 'memory':
      return medianOrNull(ours.map(({ peakMb }) => peakMb));
  }
}

import { cliBench } from './cli/bench.ts';
import type { Bench } from './define-bench.ts';
import { downloadBench } from './download/bench.ts';
import { filesBench } from './files/bench.ts';
import { loadBench } from './load/bench.ts';
import { relayBench } from './relay/bench.ts';
import { storeBench } from './store/bench.ts';

/** The gates first, then those for a closer look. */
export const benches: readonly Bench[] = [downloadBench, filesBench, cliBench, relayBench, storeBench, loadBench];

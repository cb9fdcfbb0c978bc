import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { Metrics } from './metric.ts';

/** How often the event loop is sampled; shorter delays between two samples are missed. */
const RESOLUTION_MS = 20;
const NS_PER_SECOND = 1e9;
const MICROSECONDS_PER_SECOND = 1e6;

/**
 * Metrics of the process. CPU, memory and start time have the standard names of Prometheus client libraries, which
 * existing dashboards and alerts use. Returns a function that stops monitoring the event loop.
 */
export function watchProcess(metrics: Metrics): () => void {
  metrics.counter({
    name: 'process_cpu_seconds_total',
    help: 'User and system CPU time of the process',
    read: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / MICROSECONDS_PER_SECOND;
    },
  });
  const startedAtSecs = (performance.timeOrigin || Date.now()) / 1000;
  metrics.gauge({
    name: 'process_start_time_seconds',
    help: 'Start time of the process since the Unix epoch',
    read: () => startedAtSecs,
  });
  metrics.gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the process',
    read: () => process.memoryUsage.rss(),
  });
  metrics.gauge({
    name: 'process_open_fds',
    help: 'Open files and sockets of the process; 0 if unknown',
    read: countOpenFiles,
  });
  metrics.gauge({
    name: 'rbee_heap_used_bytes',
    help: 'Memory used by JavaScript objects',
    read: () => process.memoryUsage().heapUsed,
  });
  return watchEventLoop(metrics);
}

function watchEventLoop(metrics: Metrics): () => void {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  // The histogram records the time between two samples, which equals the resolution when nothing is late.
  const lateSecs = (ns: number) => Math.max(0, ns / NS_PER_SECOND - RESOLUTION_MS / 1000);
  metrics.gauge({
    name: 'rbee_event_loop_delay_seconds',
    help: 'Event loop delay since the last scrape: median, 99th percentile and maximum',
    labels: ['statistic'],
    read: () => {
      const [p50, p99, max] =
        delays.count === 0 ? [0, 0, 0] : [delays.percentile(50), delays.percentile(99), delays.max];
      delays.reset();
      return [
        { labels: { statistic: 'p50' }, value: lateSecs(p50) },
        { labels: { statistic: 'p99' }, value: lateSecs(p99) },
        { labels: { statistic: 'max' }, value: lateSecs(max) },
      ];
    },
  });
  let before = performance.eventLoopUtilization();
  metrics.gauge({
    name: 'rbee_event_loop_utilisation_ratio',
    help: 'Share of time since the last scrape that the event loop was busy',
    read: () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, before);
      before = now;
      return utilization;
    },
  });
  return () => delays.disable();
}

function countOpenFiles(): number {
  try {
    // One of them is the descriptor of the folder itself.
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return 0;
  }
}

import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { Metrics } from './metric.ts';

/** The event loop is looked at this often; a delay that is shorter than a tick in between is not seen. */
const RESOLUTION_MS = 20;
const NS_PER_SECOND = 1e9;
const MICROSECONDS_PER_SECOND = 1e6;

/**
 * The process itself. CPU, memory and start have the names that every client library of Prometheus gives them, since
 * dashboards and alerts of others look for these. The answer stops the watch of the event loop.
 */
export function watchProcess(metrics: Metrics): () => void {
  metrics.counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the process, user and system together',
    read: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / MICROSECONDS_PER_SECOND;
    },
  });
  const startedAtSecs = (performance.timeOrigin || Date.now()) / 1000;
  metrics.gauge({
    name: 'process_start_time_seconds',
    help: 'When the process was started, since the Unix epoch',
    read: () => startedAtSecs,
  });
  metrics.gauge({
    name: 'process_resident_memory_bytes',
    help: 'Memory of the process that is in RAM',
    read: () => process.memoryUsage.rss(),
  });
  metrics.gauge({
    name: 'process_open_fds',
    help: 'Open files and sockets of the process; 0 where the system does not tell',
    read: countOpenFiles,
  });
  metrics.gauge({
    name: 'rbee_heap_used_bytes',
    help: 'Memory that JavaScript objects take',
    read: () => process.memoryUsage().heapUsed,
  });
  return watchEventLoop(metrics);
}

function watchEventLoop(metrics: Metrics): () => void {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  // What is recorded is the time between two looks, which is the resolution where nothing is late.
  const lateSecs = (ns: number) => Math.max(0, ns / NS_PER_SECOND - RESOLUTION_MS / 1000);
  metrics.gauge({
    name: 'rbee_event_loop_delay_seconds',
    help: 'How late the event loop was since the last scrape: its median, 99th percentile and most',
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
    help: 'Part of the time since the last scrape in which the event loop was busy',
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
    // One of them is the folder that is being read.
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return 0;
  }
}

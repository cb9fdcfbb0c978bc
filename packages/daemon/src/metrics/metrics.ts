import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { type Answered, onAnswered } from '../server/answered-requests.ts';
import { addRoute } from '../server/server.ts';
import type { MetricInfo, MetricLabel, Metrics, Reading, Sample } from './metric.ts';
import { watchProcess } from './process-metrics.ts';

const SECONDS_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60];
const UNKNOWN_ROUTE = 'none';

export function createMetrics({ version }: { readonly version: string }): Metrics {
  const registry = new Registry();
  const metrics: Metrics = {
    gauge({ name, help, labels = [], read }) {
      new Gauge({
        name,
        help,
        labelNames: labels,
        registers: [registry],
        async collect() {
          const samples = samplesOf(await read());
          this.reset();
          // A reset leaves a 0 where there are no labels, but an unknown value is not 0.
          if (labels.length === 0) this.remove();
          for (const sample of samples) this.set({ ...sample.labels }, sample.value);
        },
      });
    },
    counter({ name, help, labels = [], read }) {
      new Counter({
        name,
        help,
        labelNames: labels,
        registers: [registry],
        async collect() {
          const samples = samplesOf(await read());
          this.reset();
          for (const sample of samples) this.inc({ ...sample.labels }, sample.value);
        },
      });
    },
    serve(app, route) {
      onAnswered(app, countRequest);
      addRoute(app, route, () => metrics.text());
    },
    text: () => registry.metrics(),
    list: () => registry.getMetricsAsArray().map(infoOf),
    close: () => stopWatching(),
  };
  const stopWatching = watchProcess(metrics);
  const countRequest = createRequestCounts(registry);
  metrics.gauge({
    name: 'rbee_build_info',
    help: 'Always 1; labels show the version and the Node.js version',
    labels: ['version', 'node_version'],
    read: () => [{ labels: { version, node_version: process.versions.node }, value: 1 }],
  });
  return metrics;
}

function samplesOf(read: Reading): readonly Sample[] {
  return typeof read === 'number' ? [{ labels: {}, value: read }] : read;
}

function infoOf(metric: object): MetricInfo {
  const { name, help, type, labelNames } = metric as {
    readonly name: string;
    readonly help: string;
    readonly type: string;
    readonly labelNames: readonly string[];
  };
  return { name, help, type, labels: labelNames };
}

function createRequestCounts(registry: Registry): (answered: Answered) => void {
  const requests = new Counter({
    name: 'rbee_http_requests_total',
    help: 'Finished requests by route pattern; a stream counts when it closes',
    labelNames: ['method', 'route', 'status'] satisfies MetricLabel[],
    registers: [registry],
  });
  const durations = new Histogram({
    name: 'rbee_http_request_duration_seconds',
    help: 'Duration of requests, streams excluded',
    labelNames: ['method', 'route'] satisfies MetricLabel[],
    buckets: SECONDS_BUCKETS,
    registers: [registry],
  });
  return ({ request: { method, routeOptions }, status, durationMs }) => {
    // A request without a route may have any method and path: neither becomes a label.
    const route = routeOptions.url;
    const labels = route === undefined ? { method: UNKNOWN_ROUTE, route: UNKNOWN_ROUTE } : { method, route };
    requests.inc({ ...labels, status: classOf(status) });
    if (routeOptions.config.stream !== true) durations.observe(labels, durationMs / 1000);
  };
}

function classOf(status: number | null): string {
  return status === null ? 'aborted' : `${Math.floor(status / 100)}xx`;
}

export { type CallOptions, callRoute, type Peer, PeerError } from './client/call-route.ts';
export { jobHooks } from './logging/job-hooks.ts';
export { type LogFields, requestIdHeader, withLogFields, withoutLogFields } from './logging/log-context.ts';
export { createLogger, LOG_LEVELS, type Logger } from './logging/logger.ts';
export { type Measure, type MetricInfo, type Metrics, type Sample, samplesBy } from './metrics/metric.ts';
export { createMetrics } from './metrics/metrics.ts';
export { type MeasuredJobs, type MeasuredStreams, measureJobs, measureStreams } from './metrics/shared-metrics.ts';
export type { Parent } from './parent/parent.ts';
export { type DaemonDefinition, type Running, runDaemon } from './run-daemon.ts';
export { readSavedJob } from './saved-job.ts';
export { type AccessPolicy, bindProblem, isLoopback, MIN_TOKEN_LENGTH } from './server/access.ts';
export { jobSettings } from './server/job-settings.ts';
export { listen } from './server/node-servers.ts';
export { pageOf } from './server/pagination.ts';
export { type ServedTls, serveTls } from './server/served-tls.ts';
export { addRoute, addStream, createServer, type RouteInput, type Server, type ServerDeps } from './server/server.ts';
export { readTls, type TlsIdentity, tlsProblems, tlsSettings } from './server/tls.ts';
export { readSettings, SettingsError, settingsInForce } from './settings/read-settings.ts';
export { fingerprint } from './settings/secret-digest.ts';
export {
  absolutePath,
  bandwidth,
  duration,
  type Environment,
  flagOf,
  integer,
  keyOf,
  oneOf,
  type Setting,
  type SettingsOf,
  type SettingsTable,
  secret,
  setting,
  someOf,
  text,
  toggle,
  url,
} from './settings/setting.ts';
export { openStateDb, type StateDbOptions } from './state-db.ts';
export { BAD_ROWS_TABLE, type StateRow, StateRows, type StateTable } from './state-rows.ts';
export { StateWriter, type WriteTime } from './state-writer.ts';

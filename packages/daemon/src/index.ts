export { type AccessPolicy, bindProblem, fingerprint, isLoopback, MIN_TOKEN_LENGTH } from './access.ts';
export { connectionProblem } from './connection-problem.ts';
export { createJobLog } from './job-log.ts';
export { jobSettings } from './job-settings.ts';
export { type LogFields, requestIdHeader, withLogFields, withoutLogFields } from './log-context.ts';
export { createLogger, LOG_LEVELS, type Logger } from './logger.ts';
export { type Measure, type MetricInfo, type Metrics, type Sample, samplesBy } from './measure.ts';
export { createMetrics } from './metrics.ts';
export { pageOf } from './page.ts';
export { type DaemonDefinition, type Running, runDaemon } from './run-daemon.ts';
export { addRoute, addStream, createServer, type RouteInput, type Server, type ServerDeps } from './serve.ts';
export { type ServedTls, serveTls } from './served-tls.ts';
export {
  absolutePath,
  bandwidth,
  duration,
  type Environment,
  integer,
  oneOf,
  type Setting,
  secret,
  setting,
  someOf,
  text,
  toggle,
  url,
} from './setting.ts';
export { readSettings, SettingsError, settingsInForce } from './settings.ts';
export { flagOf, keyOf, type SettingsOf, type SettingsTable } from './settings-names.ts';
export { type MeasuredJobs, type MeasuredStreams, measureJobs, measureStreams } from './shared-metrics.ts';
export { openStateDb, type StateDbOptions } from './state-db.ts';
export { readTls, type TlsIdentity, tlsProblems, tlsSettings } from './tls.ts';

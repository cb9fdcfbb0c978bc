export { type AccessPolicy, bindProblem, fingerprint, isLoopback, MIN_TOKEN_LENGTH } from './access.ts';
export { jobSettings } from './job-settings.ts';
export { createLogger, LOG_LEVELS, type Logger } from './logger.ts';
export { pageOf } from './page.ts';
export { type DaemonDefinition, type Running, runDaemon } from './run-daemon.ts';
export { addRoute, addStream, createServer, type RouteInput, type Server, type ServerDeps } from './serve.ts';
export {
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
export {
  flagOf,
  keyOf,
  readSettings,
  SettingsError,
  type SettingsOf,
  type SettingsTable,
  settingsInForce,
} from './settings.ts';
export { openStateDb, type StateDbOptions } from './state-db.ts';

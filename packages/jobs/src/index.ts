export { CancelRequest, ShutdownRequest } from './cancel.ts';
export { type HeartbeatOptions, withHeartbeat } from './heartbeat.ts';
export { Job, type JobRequest } from './job.ts';
export { bindNarration, type Line, type Listener, narrate, withListener } from './narration.ts';
export { JobRegistry, type JobRegistryDeps, type JobRegistryOptions } from './registry.ts';

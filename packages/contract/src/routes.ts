import { z } from 'zod';
import { fleetDoctorSchema, hiveDoctorSchema } from './doctor.ts';
import {
  downloadClearQuerySchema,
  downloadListQuerySchema,
  downloadListSchema,
  downloadPatchSchema,
  downloadSchema,
  relayedDownloadSchema,
  removedSchema,
} from './download.ts';
import type { ErrorCode } from './error.ts';
import { downloadEventSchemas, jobDataSchema, narrationSchema } from './event.ts';
import {
  fleetModelDetailSchema,
  fleetModelListSchema,
  fleetModelRemovedSchema,
  fleetRemovedSchema,
  hiveQuerySchema,
  queenSettingsPatchSchema,
  queenSettingsSchema,
} from './fleet.ts';
import {
  healthSchema,
  hiveHeartbeatSchema,
  hiveInfoSchema,
  hiveListSchema,
  hiveReadySchema,
  hiveSchema,
  hiveSettingsPatchSchema,
  hiveSettingsSchema,
  queenInfoSchema,
  relayedHeartbeatSchema,
} from './hive.ts';
import { downloadIdSchema, hiveIdSchema, jobIdSchema, modelIdSchema } from './ids.ts';
import {
  cancelledJobSchema,
  cancelQuerySchema,
  jobAcceptedSchema,
  jobListSchema,
  jobSchema,
  operationSchema,
  queenOperationSchema,
} from './job.ts';
import { modelDetailSchema, modelListSchema, modelRemovedSchema } from './model.ts';

/** One endpoint: what servers check and what clients rely on. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Path with `:name` parameters. */
  readonly path: string;
  readonly summary: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** The status and body of success, and its content type where that is not JSON; none for a stream of events. */
  readonly success?: { readonly status: 200 | 202; readonly body: z.ZodType; readonly type?: string };
  /** The code for an id in the path that names nothing, be it unknown or not an id at all. */
  readonly missing?: ErrorCode;
  /** Answers Server-Sent Events. */
  readonly stream?: true;
  /** The events of a stream by their names, each with the schema of its data. */
  readonly events?: Readonly<Record<string, z.ZodType>>;
  /** Codes that this route answers, beside those that follow from what it takes. */
  readonly errors?: readonly ErrorCode[];
  /** Never needs a token. */
  readonly open?: true;
  /** Takes the token of hives too, where they have one of their own. */
  readonly forHives?: true;
  /** Asked again and again by programs: not worth a line of a log each time. */
  readonly routine?: true;
  /** Makes a job: how often one client may is limited. */
  readonly startsJob?: true;
}

/** What a route responds with when it succeeds; `never` for a stream. */
export type ResponseOf<R extends Route> = R['success'] extends { body: infer S extends z.ZodType }
  ? z.output<S>
  : never;

const jobParams = z.object({ id: jobIdSchema });
const downloadParams = z.object({ id: downloadIdSchema });
/** `Last-Event-ID` for clients that cannot set the header. */
export const streamQuerySchema = z.object({ last_event_id: z.string().max(128).optional() });

const jobEvents = { narration: narrationSchema, data: jobDataSchema } as const;
const relayed = { orchestrator_id: z.string(), hive_id: hiveIdSchema };
/** What a queen passes on, with what she adds. */
const relayedEvents = {
  progress: downloadEventSchemas.progress.extend(relayed),
  notice: downloadEventSchemas.notice.extend(relayed),
  complete: downloadEventSchemas.complete.extend(relayed),
  error: downloadEventSchemas.error.extend(relayed),
  cancelled: downloadEventSchemas.cancelled.extend(relayed),
} as const;
/** What the routes of a queen answer that need a hive. */
const NEEDS_HIVE = ['HIVE_NOT_FOUND', 'HIVE_UNAVAILABLE'] as const;

const health = {
  method: 'GET',
  path: '/health',
  summary: 'Whether the daemon runs; never needs a token',
  success: { status: 200, body: healthSchema },
  open: true,
} as const satisfies Route;

const metrics = {
  method: 'GET',
  path: '/metrics',
  summary: 'What the daemon counts, as Prometheus reads it',
  success: { status: 200, body: z.string(), type: 'text/plain; version=0.0.4; charset=utf-8' },
} as const satisfies Route;

const jobRoutes = {
  listJobs: {
    method: 'GET',
    path: '/v1/jobs',
    summary: 'The jobs, newest first',
    success: { status: 200, body: jobListSchema },
  },
  getJob: {
    method: 'GET',
    path: '/v1/jobs/:id',
    summary: 'One job',
    params: jobParams,
    missing: 'JOB_NOT_FOUND',
    success: { status: 200, body: jobSchema },
  },
  streamJob: {
    method: 'GET',
    path: '/v1/jobs/:id/stream',
    summary: 'The narration, results and end of a job',
    params: jobParams,
    missing: 'JOB_NOT_FOUND',
    query: streamQuerySchema,
    stream: true,
    events: jobEvents,
  },
  cancelJob: {
    method: 'DELETE',
    path: '/v1/jobs/:id',
    summary: 'Cancels a job and says what became of its downloads',
    params: jobParams,
    missing: 'JOB_NOT_FOUND',
    query: cancelQuerySchema,
    success: { status: 200, body: cancelledJobSchema },
  },
} as const satisfies Record<string, Route>;

/** What both levels can do with a download, below the path of its list. */
function downloadVerbs<const Path extends string, Snapshot extends z.ZodType>(path: Path, snapshot: Snapshot) {
  const one = { params: downloadParams, missing: 'DOWNLOAD_NOT_FOUND' } as const;
  return {
    pauseDownload: {
      ...one,
      method: 'POST',
      path: `${path}/:id/pause`,
      summary: 'Stops a download for a while; what is on disk stays',
      errors: ['STATUS_CONFLICT'],
      success: { status: 200, body: snapshot },
    },
    resumeDownload: {
      ...one,
      method: 'POST',
      path: `${path}/:id/resume`,
      summary: 'Puts a paused download back into the queue',
      errors: ['STATUS_CONFLICT'],
      success: { status: 200, body: snapshot },
    },
    retryDownload: {
      ...one,
      method: 'POST',
      path: `${path}/:id/retry`,
      summary: 'Starts a failed or cancelled download again, as a new job and a new download',
      errors: ['STATUS_CONFLICT'],
      success: { status: 202, body: jobAcceptedSchema },
      startsJob: true,
    },
    patchDownload: {
      ...one,
      method: 'PATCH',
      path: `${path}/:id`,
      summary: 'Changes the bandwidth limit or the priority of a download',
      errors: ['STATUS_CONFLICT'],
      body: downloadPatchSchema,
      success: { status: 200, body: snapshot },
    },
    removeDownload: {
      ...one,
      method: 'DELETE',
      path: `${path}/:id`,
      summary: 'Removes an ended download from the history',
      errors: ['STATUS_CONFLICT'],
      success: { status: 200, body: removedSchema },
    },
    clearDownloads: {
      method: 'DELETE',
      path,
      summary: 'Removes ended downloads from the history',
      query: downloadClearQuerySchema,
      success: { status: 200, body: removedSchema },
    },
  } as const satisfies Record<string, Route>;
}

const heartbeats = {
  method: 'GET',
  path: '/v1/heartbeats/stream',
  summary: 'A heartbeat each second',
  query: streamQuerySchema,
  stream: true,
  events: { heartbeat: hiveHeartbeatSchema },
} as const satisfies Route;

/** The models of a store, below the path of their list. */
function modelRoutes<const Path extends string>(path: Path) {
  const one = { params: z.object({ id: modelIdSchema }), missing: 'MODEL_NOT_FOUND' } as const;
  return {
    listModels: {
      method: 'GET',
      path,
      summary: 'The models that are complete, newest first, and what else the store holds',
      success: { status: 200, body: modelListSchema },
    },
    getModel: {
      ...one,
      method: 'GET',
      path: `${path}/:id`,
      summary: 'One model with its files',
      success: { status: 200, body: modelDetailSchema },
    },
    removeModel: {
      ...one,
      method: 'DELETE',
      path: `${path}/:id`,
      summary: 'Removes a model and the files that no other model uses',
      errors: ['STATUS_CONFLICT', 'STORE_NOT_WRITABLE'],
      success: { status: 200, body: modelRemovedSchema },
    },
    verifyModel: {
      ...one,
      method: 'POST',
      path: `${path}/:id/verify`,
      summary: 'Starts a job that reads every byte of a model again',
      success: { status: 202, body: jobAcceptedSchema },
      startsJob: true,
    },
  } as const satisfies Record<string, Route>;
}

/** The models of the fleet: as of a hive, with the hive that has each. */
function queenModelRoutes() {
  const { listModels, getModel, removeModel, verifyModel } = modelRoutes('/v1/models');
  return {
    listModels: {
      ...listModels,
      summary: 'The models of the hives that are online, and what else their stores hold',
      success: { status: 200, body: fleetModelListSchema },
    },
    getModel: {
      ...getModel,
      query: hiveQuerySchema,
      errors: NEEDS_HIVE,
      success: { status: 200, body: fleetModelDetailSchema },
    },
    removeModel: {
      ...removeModel,
      query: hiveQuerySchema,
      errors: [...removeModel.errors, ...NEEDS_HIVE],
      success: { status: 200, body: fleetModelRemovedSchema },
    },
    verifyModel: { ...verifyModel, query: hiveQuerySchema, errors: NEEDS_HIVE },
  } as const satisfies Record<string, Route>;
}

/** What a hive serves. */
export const hiveRoutes = {
  health,
  metrics,
  info: {
    method: 'GET',
    path: '/v1/info',
    summary: 'Id, version, store and settings in force',
    success: { status: 200, body: hiveInfoSchema },
  },
  doctor: {
    method: 'GET',
    path: '/v1/doctor',
    summary: 'Tests the way to the hub and the disk; takes up to 20 s',
    success: { status: 200, body: hiveDoctorSchema },
  },
  createJob: {
    method: 'POST',
    path: '/v1/jobs',
    summary: 'Starts an operation',
    errors: ['MODEL_REF_INVALID', 'OPERATION_UNKNOWN', 'SOURCE_NOT_ALLOWED', 'STATUS_CONFLICT'],
    body: operationSchema,
    success: { status: 202, body: jobAcceptedSchema },
    startsJob: true,
  },
  ...jobRoutes,
  listDownloads: {
    method: 'GET',
    path: '/v2/downloads',
    summary: 'Downloads, newest first',
    query: downloadListQuerySchema,
    success: { status: 200, body: downloadListSchema },
  },
  getDownload: {
    method: 'GET',
    path: '/v2/downloads/:id',
    summary: 'One download',
    params: downloadParams,
    missing: 'DOWNLOAD_NOT_FOUND',
    success: { status: 200, body: downloadSchema },
  },
  streamDownload: {
    method: 'GET',
    path: '/v2/downloads/:id/stream',
    summary: 'The progress of a download: a snapshot first',
    params: downloadParams,
    missing: 'DOWNLOAD_NOT_FOUND',
    query: streamQuerySchema,
    stream: true,
    events: downloadEventSchemas,
  },
  ...downloadVerbs('/v2/downloads', downloadSchema),
  ...modelRoutes('/v2/models'),
  getSettings: {
    method: 'GET',
    path: '/v2/settings',
    summary: 'The settings that can be changed while the hive runs',
    success: { status: 200, body: hiveSettingsSchema },
  },
  patchSettings: {
    method: 'PATCH',
    path: '/v2/settings',
    summary: 'Changes settings of the running hive; takes effect within a second',
    body: hiveSettingsPatchSchema,
    success: { status: 200, body: hiveSettingsSchema },
  },
  heartbeats,
} as const satisfies Record<string, Route>;

/** What a queen serves. */
export const queenRoutes = {
  health,
  metrics,
  info: {
    method: 'GET',
    path: '/v1/info',
    summary: 'Id, version, hives and settings in force',
    success: { status: 200, body: queenInfoSchema },
  },
  doctor: {
    method: 'GET',
    path: '/v1/doctor',
    summary: 'What every hive, or one, finds when it tests the way to the hub and its disk',
    query: hiveQuerySchema,
    success: { status: 200, body: fleetDoctorSchema },
  },
  createJob: {
    method: 'POST',
    path: '/v1/jobs',
    summary: 'Starts an operation on one hive or several',
    errors: [
      'MODEL_REF_INVALID',
      'OPERATION_UNKNOWN',
      'SOURCE_NOT_ALLOWED',
      'STATUS_CONFLICT',
      'DISK_FULL',
      ...NEEDS_HIVE,
    ],
    body: queenOperationSchema,
    success: { status: 202, body: jobAcceptedSchema },
    startsJob: true,
  },
  ...jobRoutes,
  listDownloads: {
    method: 'GET',
    path: '/v1/downloads',
    summary: 'Downloads of the fleet, newest first',
    query: downloadListQuerySchema,
    success: { status: 200, body: downloadListSchema.extend({ downloads: z.array(relayedDownloadSchema) }) },
  },
  getDownload: {
    method: 'GET',
    path: '/v1/downloads/:id',
    summary: 'One download',
    params: downloadParams,
    missing: 'DOWNLOAD_NOT_FOUND',
    success: { status: 200, body: relayedDownloadSchema },
  },
  streamDownload: {
    method: 'GET',
    path: '/v1/downloads/:id/stream',
    summary: 'The progress of a download, relayed from its hive',
    params: downloadParams,
    missing: 'DOWNLOAD_NOT_FOUND',
    query: streamQuerySchema,
    stream: true,
    events: relayedEvents,
  },
  streamDownloads: {
    method: 'GET',
    path: '/v1/downloads/stream',
    summary: 'The progress of every download of the fleet, in one stream without an end',
    query: streamQuerySchema,
    stream: true,
    events: relayedEvents,
  },
  ...downloadVerbs('/v1/downloads', relayedDownloadSchema),
  clearDownloads: {
    method: 'DELETE',
    path: '/v1/downloads',
    summary: 'Removes ended downloads from the history of every hive that is online',
    query: downloadClearQuerySchema,
    success: { status: 200, body: fleetRemovedSchema },
  },
  ...queenModelRoutes(),
  listHives: {
    method: 'GET',
    path: '/v1/hives',
    summary: 'The hives',
    success: { status: 200, body: hiveListSchema },
  },
  patchHive: {
    method: 'PATCH',
    path: '/v1/hives/:id',
    summary: 'Changes the limits of a hive; remembered, and given again when it comes back',
    params: z.object({ id: hiveIdSchema }),
    missing: 'HIVE_NOT_FOUND',
    errors: ['HIVE_UNAVAILABLE'],
    body: hiveSettingsPatchSchema,
    success: { status: 200, body: hiveSchema },
  },
  getSettings: {
    method: 'GET',
    path: '/v1/settings',
    summary: 'The settings that can be changed while the queen runs',
    success: { status: 200, body: queenSettingsSchema },
  },
  patchSettings: {
    method: 'PATCH',
    path: '/v1/settings',
    summary: 'Changes settings of the running queen; the hives have them within 2 s',
    body: queenSettingsPatchSchema,
    success: { status: 200, body: queenSettingsSchema },
  },
  heartbeats: {
    ...heartbeats,
    summary: 'The heartbeats of all hives that are online',
    events: { heartbeat: relayedHeartbeatSchema },
  },
  hiveReady: {
    method: 'POST',
    path: '/v1/hive/ready',
    summary: 'A hive says that it is there',
    errors: ['STATUS_CONFLICT'],
    body: hiveReadySchema,
    success: { status: 200, body: hiveSchema },
    forHives: true,
    routine: true,
  },
} as const satisfies Record<string, Route>;

/** The path of a route with its parameters filled in. */
export function pathOf(route: Route, params: Readonly<Record<string, string>> = {}): string {
  return route.path.replaceAll(/:([a-z_]+)/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined) throw new Error(`${route.path} needs the parameter ${name}`);
    return encodeURIComponent(value);
  });
}

import { z } from 'zod';
import type { ErrorCode } from './error.ts';
import { downloadIdSchema, hiveIdSchema, jobIdSchema, modelIdSchema } from './ids.ts';
import { fleetDoctorSchema, hiveDoctorSchema } from './schemas/doctor.ts';
import {
  downloadClearQuerySchema,
  downloadListQuerySchema,
  downloadListSchema,
  downloadPatchSchema,
  downloadSchema,
  relayedDownloadSchema,
  removedSchema,
} from './schemas/download.ts';
import { downloadEventSchemas, jobDataSchema, narrationSchema, snapshotEndSchema } from './schemas/event.ts';
import {
  fleetDownloadListSchema,
  fleetModelDetailSchema,
  fleetModelListSchema,
  fleetModelRemovedSchema,
  fleetRemovedSchema,
  hiveQuerySchema,
  hiveRemovedSchema,
  queenSettingsPatchSchema,
  queenSettingsSchema,
} from './schemas/fleet.ts';
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
} from './schemas/hive.ts';
import {
  cancelledDownloadSchema,
  cancelledJobSchema,
  cancelQuerySchema,
  jobAcceptedSchema,
  jobListSchema,
  jobSchema,
  operationSchema,
  queenOperationSchema,
} from './schemas/job.ts';
import { modelDetailSchema, modelListSchema, modelRemovedSchema } from './schemas/model.ts';
import {
  fleetRepoQuerySchema,
  fleetRepoSchema,
  foundModelsSchema,
  repoQuerySchema,
  repoSchema,
  searchQuerySchema,
} from './schemas/repo.ts';

/** One endpoint: what servers check and clients rely on. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Path with `:name` parameters. */
  readonly path: string;
  readonly summary: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Status and body of success, and its content type if not JSON; missing for a stream of events. */
  readonly success?: { readonly status: 200 | 202; readonly body: z.ZodType; readonly type?: string };
  /** The code for an unknown or malformed id in the path. */
  readonly missing?: ErrorCode;
  /** Sends Server-Sent Events. */
  readonly stream?: true;
  /** The events of a stream by name, with the schemas of their data. */
  readonly events?: Readonly<Record<string, z.ZodType>>;
  /** Error codes of this route, in addition to those that follow from its parts. */
  readonly errors?: readonly ErrorCode[];
  /** Never needs a token. */
  readonly open?: true;
  /** Also accepts the token of hives, if the queen has one. */
  readonly forHives?: true;
  /** Polled by programs: logged at `debug` only. */
  readonly routine?: true;
  /** Starts a job, which counts towards the client's rate limit. */
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
/** Relayed events with the fields that the queen adds. */
const relayedEvents = {
  progress: downloadEventSchemas.progress.extend(relayed),
  notice: downloadEventSchemas.notice.extend(relayed),
  complete: downloadEventSchemas.complete.extend(relayed),
  error: downloadEventSchemas.error.extend(relayed),
  cancelled: downloadEventSchemas.cancelled.extend(relayed),
} as const;
/** What else happens in a fleet. */
const fleetEvents = {
  hive: hiveSchema.extend({ orchestrator_id: z.string() }),
  hive_removed: z.object(relayed),
  limits: queenSettingsSchema.extend({ orchestrator_id: z.string() }),
} as const;
/** Error codes of the queen's routes that need a hive. */
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
  summary: 'Metrics in the format of Prometheus',
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
    summary: 'Narration, results and end of a job',
    params: jobParams,
    missing: 'JOB_NOT_FOUND',
    query: streamQuerySchema,
    stream: true,
    events: jobEvents,
  },
  cancelJob: {
    method: 'DELETE',
    path: '/v1/jobs/:id',
    summary: 'Cancels a job and returns what happened to its downloads',
    params: jobParams,
    missing: 'JOB_NOT_FOUND',
    query: cancelQuerySchema,
    success: { status: 200, body: cancelledJobSchema },
  },
} as const satisfies Record<string, Route>;

/** The actions on a download that hives and queens share, below the path of its list. */
function downloadVerbs<const Path extends string, Snapshot extends z.ZodType>(path: Path, snapshot: Snapshot) {
  const one = { params: downloadParams, missing: 'DOWNLOAD_NOT_FOUND' } as const;
  return {
    pauseDownload: {
      ...one,
      method: 'POST',
      path: `${path}/:id/pause`,
      summary: 'Pauses a download; its partial files stay on disk',
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
    cancelDownload: {
      ...one,
      method: 'POST',
      path: `${path}/:id/cancel`,
      summary: 'Cancels every job that waits for a download, and so the download',
      query: cancelQuerySchema,
      success: { status: 200, body: cancelledDownloadSchema },
    },
    retryDownload: {
      ...one,
      method: 'POST',
      path: `${path}/:id/retry`,
      summary: 'Retries a failed or cancelled download as a new job and a new download',
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
  summary: 'A heartbeat every second',
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
      summary: 'Complete models, newest first, and other contents of the store',
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
      summary: 'Removes a model and its files, except files that other models use',
      errors: ['STATUS_CONFLICT', 'STORE_NOT_WRITABLE'],
      success: { status: 200, body: modelRemovedSchema },
    },
    verifyModel: {
      ...one,
      method: 'POST',
      path: `${path}/:id/verify`,
      summary: 'Starts a job that verifies every byte of a model',
      success: { status: 202, body: jobAcceptedSchema },
      startsJob: true,
    },
  } as const satisfies Record<string, Route>;
}

/** The models of the fleet: the same routes, with the hive of each model. */
function queenModelRoutes() {
  const { listModels, getModel, removeModel, verifyModel } = modelRoutes('/v1/models');
  return {
    listModels: {
      ...listModels,
      summary: 'Complete models of all online hives, and other contents of their stores',
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

/** Error codes of routes that request something of a source. */
const OF_SOURCE = [
  'MODEL_NOT_FOUND',
  'MODEL_TOKEN_MISSING',
  'MODEL_TOKEN_INVALID',
  'MODEL_GATED',
  'MODEL_ACCESS_DENIED',
  'DOWNLOAD_TIMEOUT',
  'DOWNLOAD_FAILED',
  'SOURCE_UNAVAILABLE',
] as const;
const OF_REF = ['MODEL_REF_INVALID', 'SOURCE_NOT_ALLOWED'] as const;

/** What a hive serves. */
export const hiveRoutes = {
  health,
  metrics,
  info: {
    method: 'GET',
    path: '/v1/info',
    summary: 'Id, version, store and current settings',
    success: { status: 200, body: hiveInfoSchema },
  },
  doctor: {
    method: 'GET',
    path: '/v1/doctor',
    summary: 'Checks network, hub access and disk; takes up to 20 s',
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
    summary: 'Progress of a download, starting with a snapshot',
    params: downloadParams,
    missing: 'DOWNLOAD_NOT_FOUND',
    query: streamQuerySchema,
    stream: true,
    events: downloadEventSchemas,
  },
  streamDownloads: {
    method: 'GET',
    path: '/v2/downloads/stream',
    summary: 'Progress of all downloads of the hive, in one endless stream',
    query: streamQuerySchema,
    stream: true,
    events: { ...downloadEventSchemas, snapshot_end: snapshotEndSchema },
  },
  ...downloadVerbs('/v2/downloads', downloadSchema),
  ...modelRoutes('/v2/models'),
  getRepo: {
    method: 'GET',
    path: '/v2/repo',
    summary: 'What a model ref and its repo have: quantisations, sizes, what is on disk, what fits',
    query: repoQuerySchema,
    errors: [...OF_REF, ...OF_SOURCE],
    success: { status: 200, body: repoSchema },
  },
  search: {
    method: 'GET',
    path: '/v2/search',
    summary: 'Models of the hub that match some words',
    query: searchQuerySchema,
    errors: OF_SOURCE,
    success: { status: 200, body: foundModelsSchema },
  },
  getSettings: {
    method: 'GET',
    path: '/v2/settings',
    summary: 'Settings that can be changed at run time',
    success: { status: 200, body: hiveSettingsSchema },
  },
  patchSettings: {
    method: 'PATCH',
    path: '/v2/settings',
    summary: 'Changes settings of the running hive, with effect within a second',
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
    summary: 'Id, version, hives and current settings',
    success: { status: 200, body: queenInfoSchema },
  },
  doctor: {
    method: 'GET',
    path: '/v1/doctor',
    summary: 'Checks network, hub access and disk of all hives or one',
    query: hiveQuerySchema,
    success: { status: 200, body: fleetDoctorSchema },
  },
  createJob: {
    method: 'POST',
    path: '/v1/jobs',
    summary: 'Starts an operation on one or more hives',
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
    success: { status: 200, body: fleetDownloadListSchema },
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
    summary: 'Progress of a download, relayed from its hive',
    params: downloadParams,
    missing: 'DOWNLOAD_NOT_FOUND',
    query: streamQuerySchema,
    stream: true,
    events: relayedEvents,
  },
  streamDownloads: {
    method: 'GET',
    path: '/v1/downloads/stream',
    summary: 'Progress of all downloads of the fleet, in one endless stream',
    query: streamQuerySchema,
    stream: true,
    events: { ...relayedEvents, snapshot_end: snapshotEndSchema, ...fleetEvents },
  },
  ...downloadVerbs('/v1/downloads', relayedDownloadSchema),
  clearDownloads: {
    method: 'DELETE',
    path: '/v1/downloads',
    summary: 'Removes ended downloads from the history of all online hives',
    query: downloadClearQuerySchema,
    success: { status: 200, body: fleetRemovedSchema },
  },
  ...queenModelRoutes(),
  getRepo: {
    method: 'GET',
    path: '/v1/repo',
    summary: 'What a model ref and its repo have, and which hives have it or have room for it',
    query: fleetRepoQuerySchema,
    errors: [...OF_REF, ...OF_SOURCE, ...NEEDS_HIVE],
    success: { status: 200, body: fleetRepoSchema },
  },
  search: {
    method: 'GET',
    path: '/v1/search',
    summary: 'Models of the hub that match some words, as one of the hives finds them',
    query: searchQuerySchema,
    errors: [...OF_SOURCE, ...NEEDS_HIVE],
    success: { status: 200, body: foundModelsSchema },
  },
  listHives: {
    method: 'GET',
    path: '/v1/hives',
    summary: 'All hives',
    success: { status: 200, body: hiveListSchema },
  },
  patchHive: {
    method: 'PATCH',
    path: '/v1/hives/:id',
    summary: 'Changes the limits of a hive; stored, and applied again when the hive returns',
    params: z.object({ id: hiveIdSchema }),
    missing: 'HIVE_NOT_FOUND',
    errors: ['HIVE_UNAVAILABLE'],
    body: hiveSettingsPatchSchema,
    success: { status: 200, body: hiveSchema },
  },
  removeHive: {
    method: 'DELETE',
    path: '/v1/hives/:id',
    summary: 'Forgets an offline hive that is gone for good',
    params: z.object({ id: hiveIdSchema }),
    missing: 'HIVE_NOT_FOUND',
    errors: ['STATUS_CONFLICT'],
    success: { status: 200, body: hiveRemovedSchema },
  },
  getSettings: {
    method: 'GET',
    path: '/v1/settings',
    summary: 'Settings that can be changed at run time',
    success: { status: 200, body: queenSettingsSchema },
  },
  patchSettings: {
    method: 'PATCH',
    path: '/v1/settings',
    summary: 'Changes settings of the running queen; hives apply them within 2 s',
    body: queenSettingsPatchSchema,
    success: { status: 200, body: queenSettingsSchema },
  },
  heartbeats: {
    ...heartbeats,
    summary: 'Heartbeats of all online hives',
    events: { heartbeat: relayedHeartbeatSchema },
  },
  hiveReady: {
    method: 'POST',
    path: '/v1/hive/ready',
    summary: 'Registers a hive',
    errors: ['STATUS_CONFLICT'],
    body: hiveReadySchema,
    success: { status: 200, body: hiveSchema },
    forHives: true,
    routine: true,
  },
} as const satisfies Record<string, Route>;

/** The path of a route with its parameters filled in. @throws Error if one is missing */
export function pathOf(route: Route, params: Readonly<Record<string, string>> = {}): string {
  return route.path.replaceAll(/:([a-z_]+)/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined) throw new Error(`${route.path} needs the parameter ${name}`);
    return encodeURIComponent(value);
  });
}

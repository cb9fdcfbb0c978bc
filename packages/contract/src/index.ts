export { type Clock, systemClock, toSeconds, toTimestamp } from './clock.ts';
export { spaceNeeded } from './disk-reserve.ts';
export { displayNameOf, displayNames } from './display-name.ts';
export { errnoOf } from './errno.ts';
export {
  ERROR_CODES,
  type ErrorCode,
  EXIT_CODES,
  RbeeError,
  type RbeeErrorOptions,
  toRbeeError,
} from './error.ts';
export { globMatcher } from './glob.ts';
export {
  type DownloadId,
  downloadIdSchema,
  hiveIdSchema,
  ID_PATTERNS,
  type JobId,
  jobIdSchema,
  type ModelId,
  modelIdOf,
  modelIdSchema,
  newDownloadId,
  newJobId,
} from './ids.ts';
export {
  type FileRef,
  type HfRef,
  hubRefOf,
  type ModelRef,
  type OllamaRef,
  parseModelRef,
  printModelRef,
  type RefOf,
  SCHEMES,
  type Scheme,
  shortNameOf,
  type UrlRef,
} from './model-ref.ts';
export { isPrintable, printable, printableJson } from './printable.ts';
export { isProjector, onlyProjectors } from './projector.ts';
export { isRedacted, redactModelRef, redactRef } from './redacted-ref.ts';
export { parseRetryAfter } from './retry-after.ts';
export { hiveRoutes, pathOf, queenRoutes, type ResponseOf, type Route, streamQuerySchema } from './routes.ts';
export { assertRepoPath } from './safe-path.ts';
export {
  type CheckStatus,
  type DoctorCheck,
  doctorCheckSchema,
  type FleetDoctor,
  fleetDoctorSchema,
  HIVE_CHECKS,
  type HiveCheck,
  type HiveDoctor,
  hiveDoctorSchema,
} from './schemas/doctor.ts';
export {
  ACTIVE_STATUSES,
  type CancelReceipt,
  cancelReceiptSchema,
  type Download,
  type DownloadPatch,
  type DownloadStatus,
  downloadListQuerySchema,
  downloadListSchema,
  downloadSchema,
  downloadStatusSchema,
  MAX_RUNNING_FILES,
  type Progress,
  progressSchema,
  type RunningFile,
  relayedDownloadSchema,
  removedSchema,
  runningFileSchema,
} from './schemas/download.ts';
export { type ErrorBody, errorBodySchema, errorCodeSchema, fromErrorBody, toErrorBody } from './schemas/error-body.ts';
export {
  DOWNLOAD_EVENT_NAMES,
  type DownloadEvent,
  type DownloadEventName,
  downloadEventSchemas,
  HEARTBEAT_ACTION,
  isTerminalEvent,
  JOB_EVENT_NAMES,
  type JobData,
  type JobEnd,
  jobDataSchema,
  type Narration,
  type NarrationLevel,
  type Notice,
  type NoticeCode,
  narrationSchema,
  noticeCodeSchema,
  PROJECTOR_ACTION,
  parseJobEnd,
  printJobEnd,
  SNAPSHOT_END_EVENT,
  TERMINAL_EVENT_NAMES,
} from './schemas/event.ts';
export {
  type FleetDownloadList,
  type FleetModelList,
  fleetDownloadListSchema,
  fleetModelDetailSchema,
  fleetModelListSchema,
  fleetModelRemovedSchema,
  fleetRemovedSchema,
  type HiveProblem,
  type HiveRemoved,
  hiveRemovedSchema,
  queenSettingsSchema,
} from './schemas/fleet.ts';
export {
  type Hive,
  type HiveHeartbeat,
  type HiveInfo,
  type HiveReady,
  healthSchema,
  hiveHeartbeatSchema,
  hiveInfoSchema,
  hiveListSchema,
  hiveReadySchema,
  hiveSchema,
  hiveSettingsSchema,
  hiveUrlSchema,
  type QueenInfo,
  queenInfoSchema,
  type RunTimeSettings,
  type RunTimeSettingsPatch,
  relayedHeartbeatSchema,
} from './schemas/hive.ts';
export {
  type CancelledDownload,
  type CancelledJob,
  cancelledDownloadSchema,
  cancelledJobSchema,
  cancelQuerySchema,
  type Job,
  type JobAccepted,
  type JobDownload,
  type JobState,
  jobAcceptedSchema,
  jobListSchema,
  jobSchema,
  jobStateSchema,
  OPERATION_NAMES,
  type Operation,
  type OperationName,
  operationSchema,
  type QueenOperation,
  queenOperationSchema,
} from './schemas/job.ts';
export {
  type Gguf,
  ggufSchema,
  type KeptFile,
  type Model,
  type ModelDetail,
  type ModelList,
  type ModelPlan,
  type ModelRemoved,
  type ModelsPruned,
  type ModelVerified,
  modelDetailSchema,
  modelListSchema,
  modelPlanSchema,
  modelRemovedSchema,
  modelSchema,
  modelsPrunedSchema,
  modelVerifiedSchema,
  newestFirst,
  type PartialFile,
  type StoreProblem,
} from './schemas/model.ts';
export {
  type ChoiceAtHive,
  type FleetRepo,
  type FoundModel,
  type FoundModels,
  fleetRepoSchema,
  foundModelsSchema,
  MAX_REPO_CHOICES,
  MAX_REPO_FILES,
  MAX_SEARCH_LIMIT,
  type Repo,
  type RepoChoice,
  type RepoFile,
  repoSchema,
} from './schemas/repo.ts';
export { type Failure, type Partial, type PartialChoice, partialChoiceSchema } from './schemas/shared-schemas.ts';
export { type TlsProblem, tlsProblemOf } from './tls-problem.ts';
export { formatBytes, formatSeconds, formatSpeed, parseBandwidth, parseDuration, percentOf } from './units.ts';
export { type WantedModel, wantedModel } from './wanted-model.ts';

export { type Answered, answerLater, answerOf, costlyRuns, hostileText } from './fuzz.ts';
export type { TokenOwner } from './hub/access.ts';
export { type GeneratedFile, generateBytes } from './hub/content.ts';
export type { Fault, FaultHandle, FaultMatch } from './hub/fault.ts';
export { type HubOptions, startHub, type TestHub } from './hub/hub.ts';
export type { FileSource, RepoFile, RepoSpec } from './hub/repo.ts';
export type { AddedRepo } from './hub/repo-store.ts';
export type { FaultAction, HubRequest, ServerName } from './hub/request.ts';
export { createManualClock, type ManualClock } from './manual-clock.ts';
export { NASTY_NAMES, type NastyName } from './nasty-names.ts';
export { type Program, type ProgramExit, type ProgramLine, type ProgramOptions, startProgram } from './program.ts';
export { type HttpProxy, type HttpProxyOptions, startHttpProxy } from './proxies/http-proxy.ts';
export { type SocksProxy, type SocksProxyOptions, startSocksProxy } from './proxies/socks-proxy.ts';
export {
  OLLAMA_MODEL_LAYER,
  type OllamaModel,
  ollamaManifest,
  type RegistryOptions,
  startRegistry,
  type TestRegistry,
} from './registry/registry.ts';
export { makeSampleGguf, type SampleGgufOptions } from './sample-gguf.ts';
export { type Authority, type Certificate, makeAuthority, makeCertificate } from './servers/certificate.ts';
export {
  type FileServer,
  type FileServerName,
  type FileServerOptions,
  type FileServerSwitch,
  startFileServer,
} from './servers/file-server.ts';
export { findCommand } from './servers/find-command.ts';
export { acceptsSoon, freePort } from './servers/port.ts';
export { type TempDir, tempDir } from './temp-dir.ts';
export { openTerminal, type TerminalExit, type TerminalOptions, type TestTerminal } from './terminal.ts';
export { createWatch, type WaitOptions, type Watch } from './watch.ts';
export type { Site } from './web/site.ts';
export { startWebServer, type WebFile, type WebServer } from './web/web-server.ts';

export { DownloadTracker, type DownloadTrackerOptions, type NoticeInput, type StartDownload } from './tracker.ts';
export { type DownloadState, type DownloadUpdate, isEnded, type LiveStatus } from './transition.ts';

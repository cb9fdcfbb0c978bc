export { DownloadTracker, type DownloadTrackerOptions, type NoticeInput, type StartDownload } from './tracker.ts';
export { type DownloadUpdate, isEnded, type LiveStatus } from './transition.ts';

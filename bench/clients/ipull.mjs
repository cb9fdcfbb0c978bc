// Fetches one file with ipull, which checks no digest. Argument: JSON of `{ url, path, streams }`.
import { downloadFile } from 'ipull';

const { url, path, streams } = JSON.parse(process.argv[2] ?? '');
const download = await downloadFile({ url, savePath: path, parallelStreams: streams, cliProgress: false });
await download.download();

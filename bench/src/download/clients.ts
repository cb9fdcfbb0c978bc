import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hubRepo } from '../origin/nginx-config.ts';

export const clientNames = ['rbee', 'curl-openssl', 'aria2c', 'ipull', 'hub-hash', 'hub', 'curl'] as const;
export type ClientName = (typeof clientNames)[number];

/** One download. */
export interface Job {
  readonly url: string;
  /** The same origin, as a Hugging Face hub. */
  readonly hubUrl: string;
  /** Empty, for the output of the client. */
  readonly folder: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Trusted in addition to the system's authorities; null for plain HTTP. */
  readonly caFile: string | null;
  /** How many the transfer engine may open. */
  readonly connections: number;
}

interface Plan {
  readonly steps: readonly (readonly string[])[];
  /** Where the file ends up. */
  readonly output: string;
}

export interface Client {
  /** In the report. */
  readonly title: string;
  readonly needs: { readonly commands: readonly string[]; readonly packages: readonly string[] };
  plan(job: Job): Plan;
}

const fileName = 'model.bin';
const ipullStreams = 4;

/** The transfer engine and its peers, each in its fastest configuration. */
export const clients: Readonly<Record<ClientName, Client>> = {
  rbee: {
    title: 'rbee',
    needs: { commands: [], packages: ['@rbee/transfer'] },
    plan: ({ url, folder, sizeBytes, sha256, connections }) => ({
      steps: [script('rbee.mjs', { url, folder, name: fileName, sizeBytes, sha256, connections })],
      output: join(folder, fileName),
    }),
  },
  'curl-openssl': {
    title: 'curl, then openssl dgst',
    needs: { commands: ['curl', 'openssl'], packages: [] },
    plan: (job) => {
      const { steps, output } = clients.curl.plan(job);
      return { steps: [...steps, ['openssl', 'dgst', '-sha256', output]], output };
    },
  },
  aria2c: {
    title: 'aria2c -x16 -s16 --checksum',
    needs: { commands: ['aria2c'], packages: [] },
    plan: ({ url, folder, sha256, caFile }) => ({
      steps: [
        [
          ...['aria2c', '--no-conf', '--quiet', '-x16', '-s16', `--checksum=sha-256=${sha256}`],
          ...(caFile === null ? [] : [`--ca-certificate=${caFile}`]),
          ...['-d', folder, '-o', fileName, url],
        ],
      ],
      output: join(folder, fileName),
    }),
  },
  ipull: {
    title: `ipull, ${ipullStreams} streams, no digest`,
    needs: { commands: [], packages: ['ipull'] },
    plan: ({ url, folder }) => {
      const output = join(folder, fileName);
      return { steps: [script('ipull.mjs', { url, path: output, streams: ipullStreams })], output };
    },
  },
  'hub-hash': {
    title: '@huggingface/hub, then a digest',
    needs: { commands: [], packages: ['@huggingface/hub'] },
    plan: (job) => hubPlan(job, job.sha256),
  },
  hub: {
    title: '@huggingface/hub, no digest',
    needs: { commands: [], packages: ['@huggingface/hub'] },
    plan: (job) => hubPlan(job, null),
  },
  curl: {
    title: 'curl, no digest',
    needs: { commands: ['curl'], packages: [] },
    plan: ({ url, folder, caFile }) => {
      const output = join(folder, fileName);
      const trust = caFile === null ? [] : ['--cacert', caFile];
      return { steps: [['curl', '--disable', '-sSf', ...trust, '-o', output, url]], output };
    },
  },
};

function hubPlan({ hubUrl, folder, sha256 }: Job, digest: string | null): Plan {
  const { name, file } = hubRepo;
  const repoFolder = `models--${name.replace('/', '--')}`;
  return {
    steps: [script('hub.mjs', { hubUrl, cacheDir: folder, repo: name, path: file, sha256: digest })],
    output: join(folder, repoFolder, 'blobs', sha256),
  };
}

function script(name: string, argument: Readonly<Record<string, unknown>>): string[] {
  const path = fileURLToPath(new URL(`../../clients/${name}`, import.meta.url));
  return [process.execPath, path, JSON.stringify(argument)];
}

/** The whole environment of a client: no settings of the user, no proxy. */
export function clientEnv({ path, home, caFile }: { path: string; home: string; caFile: string | null }) {
  return { PATH: path, HOME: home, LC_ALL: 'C', ...(caFile === null ? {} : { NODE_EXTRA_CA_CERTS: caFile }) };
}

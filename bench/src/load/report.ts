import { ERROR_CODES } from '@rbee/contract';
import { describeMachine } from '../environment.ts';
import { type Column, markdownTable } from '../table.ts';
import type { AnswerCount, DaemonLoad, LoadResult } from './results.ts';

const bytesPerMb = 1e6;
const accepted = 202;

const answerColumns: readonly Column[] = [
  { title: 'status', align: 'right' },
  { title: 'code', align: 'left' },
  { title: 'answers', align: 'right' },
];
const daemonColumns: readonly Column[] = [
  { title: 'daemon', align: 'left' },
  { title: 'peak MB', align: 'right' },
  { title: 'delay, median ms', align: 'right' },
  { title: 'p99 ms', align: 'right' },
  { title: 'longest ms', align: 'right' },
];

/** The result as Markdown. */
export function loadReport(result: LoadResult): string {
  const { clients, seconds, downloads, answers, broken, daemons, downloadsAfter, limitedSpeed, environment } = result;
  const after = Object.entries(downloadsAfter).map(([status, count]) => `${count} ${status}`);
  return [
    `${clients} clients create jobs at a queen for ${seconds} s while ${downloads} downloads run on two hives, one of them limited to 1 MB/s.`,
    describeMachine(environment),
    markdownTable(
      answerColumns,
      answers.map(({ status, code, count }) => [String(status), code ?? '-', String(count)]),
    ),
    `Broken connections: ${broken}. The downloads of before: ${after.join(', ')}. The limited hive took ${(limitedSpeed / bytesPerMb).toFixed(2)} MB/s.`,
    markdownTable(daemonColumns, daemons.map(row)),
  ].join('\n\n');
}

/** What speaks against the result, a line each; none is a pass. */
export function loadFailures({ answers, broken, downloadsAfter }: LoadResult): string[] {
  const wrong = answers.filter((answer) => !isOfContract(answer));
  return [
    ...wrong.map(({ status, code, count }) => `${count} answers of ${status} with code ${code}`),
    ...(broken === 0 ? [] : [`${broken} connections broke`]),
    ...Object.entries(downloadsAfter)
      .filter(([status]) => status === 'failed')
      .map(([, count]) => `${count} of the downloads failed`),
  ];
}

function isOfContract({ status, code }: AnswerCount): boolean {
  if (code === null) return status === accepted;
  return (Object.entries(ERROR_CODES) as [string, { http: number }][]).some(
    ([known, { http }]) => known === code && http === status,
  );
}

function row({ name, peakMb, medianMs, p99Ms, longestMs }: DaemonLoad): string[] {
  const figure = (value: number | null) => (value === null ? '-' : value.toFixed(1));
  return [name, figure(peakMb), figure(medianMs), figure(p99Ms), figure(longestMs)];
}

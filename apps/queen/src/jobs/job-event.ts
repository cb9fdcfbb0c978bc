import { type JOB_EVENT_NAMES, type JobId, jobDataSchema, narrationSchema } from '@rbee/contract';
import { issueOf } from '../hives/drop-log.ts';

/** Why an event of a hive's job stream cannot be passed on; null if it can. One that readers cannot read would end them. */
export function problemOf(id: JobId, event: (typeof JOB_EVENT_NAMES)[number], data: string): string | null {
  const schema = event === 'narration' ? narrationSchema : jobDataSchema;
  try {
    const payload: unknown = JSON.parse(data);
    const checked = schema.safeParse(payload);
    if (!checked.success) return issueOf(checked.error);
    return 'job_id' in checked.data && checked.data.job_id !== id ? 'it is about another job' : null;
  } catch {
    return 'it is not JSON';
  }
}

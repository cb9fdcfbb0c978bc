import { type JobEnd, modelListSchema } from '@rbee/contract';
import type { ListedModel } from '../answers.ts';
import { unexpected } from '../daemon-client/call.ts';
import { followJob } from '../daemon-client/follow-streams.ts';
import type { Failure } from '../failure.ts';
import type { CommandDeps } from './command.ts';
import { jobFailure } from './job-failure.ts';

export interface ModelListing {
  readonly models: readonly ListedModel[];
  /** Why the list is not whole, where a hive did not answer. */
  readonly failure: Failure | null;
}

/** The models of every hive, from a job that asks them all. */
export async function modelList(deps: CommandDeps): Promise<ModelListing> {
  const { client, signal } = deps;
  const models: ListedModel[] = [];
  const { job_id: jobId } = await client.startJob({ operation: 'model_list', hive_id: '*' }, signal);
  const end: JobEnd = await followJob(
    {
      client,
      signal,
      emit(event) {
        if (event.event !== 'data' || event.data.action !== 'model_list') return;
        const { hive_id: hiveId } = event.data.payload;
        const listed = modelListSchema.safeParse(event.data.payload);
        if (!listed.success)
          throw unexpected({ daemon: 'queen', url: client.url }, 'its list of models is not understood');
        models.push(...listed.data.models.map((model) => ({ hive_id: String(hiveId ?? ''), ...model })));
      },
    },
    jobId,
  );
  models.sort((a, b) => a.model_ref.localeCompare(b.model_ref) || a.hive_id.localeCompare(b.hive_id));
  return { models, failure: end.state === 'completed' ? null : await jobFailure(deps, jobId, end) };
}

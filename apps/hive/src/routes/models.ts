import { hiveRoutes } from '@rbee/contract';
import { addRoute, type Server } from '@rbee/daemon';
import type { JobRegistry } from '@rbee/jobs';
import type { Models } from '../models/models.ts';
import { startOperation } from '../models/start-operation.ts';

export interface ModelRoutesDeps {
  readonly registry: JobRegistry;
  readonly models: Models;
  readonly hiveId: string;
  /** Aborts when the daemon stops. */
  readonly signal: AbortSignal;
}

export function addModelRoutes(app: Server, deps: ModelRoutesDeps): void {
  const { models, signal } = deps;
  addRoute(app, hiveRoutes.listModels, () => models.list());
  addRoute(app, hiveRoutes.getModel, ({ params }) => models.get(params.id, signal));
  addRoute(app, hiveRoutes.removeModel, ({ params }) => models.remove(params.id));
  addRoute(app, hiveRoutes.verifyModel, async ({ params }) => {
    // An unknown id is refused in the response, not on the job's stream.
    const { id } = await models.find(params.id);
    return startOperation(deps, { operation: 'model_verify', id });
  });
}

import { hiveRoutes, type RunTimeSettings } from '@rbee/contract';
import { addRoute, type Server } from '@rbee/daemon';

/** The settings that can be changed while the hive runs. */
export interface LiveSettings {
  read(): RunTimeSettings;
  change(patch: { max_bandwidth?: number | null | undefined; max_concurrent_downloads?: number | undefined }): void;
}

export function addSettingsRoutes(app: Server, settings: LiveSettings): void {
  addRoute(app, hiveRoutes.getSettings, () => settings.read());
  addRoute(app, hiveRoutes.patchSettings, ({ body }) => {
    settings.change(body);
    return settings.read();
  });
}

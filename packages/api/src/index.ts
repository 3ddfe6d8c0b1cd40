/** The admin API: change-sets, resources, status. Serves `weft.admin.v1.Admin`, server reflection and health. */
import { Admin } from '@weft/contracts/admin';
import { logs } from '@weft/contracts/bus';
import { toWeftError } from '@weft/contracts/error';
import { typedService } from '@weft/rpc';
import type { StartService } from '@weft/service';
import { bearerCheck, guarded } from './access.ts';
import { adminHandlers } from './admin.ts';
import { Applier } from './apply.ts';
import { healthService } from './health.ts';
import { apiMetrics } from './metrics.ts';
import { reflectionService } from './reflection.ts';
import { MeshView } from './view.ts';

export { bearerCheck, checkAdminAddress } from './access.ts';

export interface ApiOptions {
  /**
   * What callers have to show as a bearer token, of at least 16 characters. Without one the admin port must be of this
   * machine alone: see `checkAdminAddress`. Health checks need none.
   */
  readonly adminToken?: string;
}

export const startApi: StartService<ApiOptions> = async (context, { adminToken }) => {
  const { bus, clock, log } = context;
  const view = new MeshView(context);
  const metrics = apiMetrics(context.metrics, view);
  const applier = new Applier({ log: bus.log(logs.config), view, clock, metrics });
  let broken: string | undefined;
  const running = view.run();
  running.catch((thrown: unknown) => {
    broken = `the API can no longer follow the bus: ${toWeftError(thrown).message}`;
    log.error({ err: thrown }, 'the API can no longer follow the bus');
  });
  const notReadyBecause = (): string | undefined => broken ?? bus.trouble() ?? view.notSynced;
  const open = [typedService(Admin, adminHandlers({ bus, view, applier })), reflectionService()];
  const check = adminToken === undefined ? undefined : bearerCheck(adminToken);
  return {
    name: 'api',
    node: [],
    anonymousMethods: [],
    admin: [
      ...open.map((service) => (check ? guarded(service, check) : service)),
      healthService(['weft.admin.v1.Admin'], () => notReadyBecause() === undefined),
    ],
    notReadyBecause,
    stop: async () => {
      await running.catch(() => undefined);
    },
  };
};

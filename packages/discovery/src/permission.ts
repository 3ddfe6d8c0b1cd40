/** Which workloads may be which service. */
import type { Workload } from '@weft/contracts/bus';
import { WeftError } from '@weft/contracts/error';
import { formatSpiffeId, type SpiffeId } from '@weft/identity';

/** The service accounts that the `Service` resource of that name lists; undefined when there is no such resource. */
export type DeclaredAccounts = (namespace: string, service: string) => readonly string[] | undefined;

/**
 * Lets a registration pass when its namespace is the caller's, and its service has the name of the caller's service
 * account or a `Service` resource lists that account. Throws `WeftError` PERMISSION_DENIED that says what would allow it.
 */
export function checkPermission(caller: SpiffeId, workload: Workload, declared: DeclaredAccounts): void {
  const { namespace, serviceAccount } = caller;
  if (workload.namespace !== namespace) {
    throw new WeftError(
      'PERMISSION_DENIED',
      `the certificate ${formatSpiffeId(caller)} allows namespace ${namespace} alone, not ${workload.namespace}; ` +
        `join with a token of namespace ${workload.namespace}`,
      { source: 'downstream' },
    );
  }
  if (workload.service === serviceAccount) return;
  if (declared(namespace, workload.service)?.includes(serviceAccount)) return;
  throw new WeftError(
    'PERMISSION_DENIED',
    `service account ${serviceAccount} may not register as service ${namespace}/${workload.service}; run it with ` +
      `service account ${workload.service}, or apply a Service ${workload.service} in namespace ${namespace} whose ` +
      `spec.serviceAccounts lists ${serviceAccount}`,
    { source: 'downstream' },
  );
}

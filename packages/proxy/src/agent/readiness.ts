/** Waiting for the data plane, and telling why it is not ready. */
import { WeftError } from '@weft/contracts/error';
import { sleep } from './backoff.ts';
import type { DataPlane } from './data-plane.ts';
import type { NodeApi } from './node-api.ts';
import type { Registration } from './registration.ts';

export interface ReadinessParts {
  readonly dataPlane: DataPlane;
  readonly nodeApi: NodeApi;
  readonly registration: Registration;
  readonly timeoutMs: number;
  /** Aborts when the run is to stop, or something else has gone wrong. */
  readonly signal: AbortSignal;
}

const POLL_MS = 10;
const OUTBOUND = 'outbound';

/** The most telling of what is known. */
function reasonOf({ dataPlane, nodeApi, registration }: ReadinessParts): string {
  const [refusal] = nodeApi.acknowledged.refusals;
  if (refusal) return `it refuses its configuration: ${refusal.message}`;
  const trouble = dataPlane.trouble();
  if (trouble) return trouble;
  if (registration.lastError) return `the workload is not registered: ${registration.lastError.message}`;
  const xdsTrouble = nodeApi.xdsTrouble();
  if (xdsTrouble) return `no xds-server can be reached: ${xdsTrouble}`;
  if (!nodeApi.acknowledged.isWhole) return 'the xds-server has sent no configuration for this workload';
  return 'it does not say why';
}

/** A listener whose port something else has taken since it was picked; waiting does not help. */
function isPortTaken(nodeApi: NodeApi): boolean {
  return nodeApi.acknowledged.refusals.some(({ message }) => /address (already )?in use|EADDRINUSE/i.test(message));
}

/** Resolves when the data plane serves its configuration, or `signal` aborts. Throws `WeftError` UNAVAILABLE after the timeout. */
export async function waitUntilReady(parts: ReadinessParts): Promise<void> {
  const { dataPlane, nodeApi, timeoutMs, signal } = parts;
  const startedAt = performance.now();
  while (!signal.aborted) {
    const { acknowledged } = nodeApi;
    if (acknowledged.isWhole && acknowledged.hasListener(OUTBOUND) && (await dataPlane.isReady())) return;
    const waitedMs = performance.now() - startedAt;
    if (waitedMs > timeoutMs || isPortTaken(nodeApi)) {
      const seconds = Math.ceil(waitedMs / 1000);
      throw new WeftError('UNAVAILABLE', `the data plane is not ready after ${seconds} s: ${reasonOf(parts)}`);
    }
    await sleep(POLL_MS, signal);
  }
}

/** The gRPC service `weft.node.v1.Registry`: what agents say of their workloads. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Entry, State } from '@weft/bus';
import type { Workload } from '@weft/contracts/bus';
import { toWeftError, WeftError } from '@weft/contracts/error';
import type {
  DeregisterRequest,
  DeregisterResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  RegisterRequest,
  RegisterResponse,
  Registry,
} from '@weft/contracts/node';
import { formatSpiffeId, type SpiffeId } from '@weft/identity';
import type { CallContext, Handlers } from '@weft/rpc';
import type { Clock } from '@weft/service';
import type { DiscoveryMetrics } from './metrics.ts';
import { checkPermission, type DeclaredAccounts } from './permission.ts';
import { isHealth, isWorkloadId, validateWorkload } from './validate.ts';
import { type LiveWorkloads, workloadKey } from './workloads.ts';

export interface RegistryParts {
  readonly state: State<Workload>;
  readonly live: LiveWorkloads;
  readonly declared: DeclaredAccounts;
  readonly clock: Clock;
  readonly heartbeatEveryMs: number;
  readonly expiresAfterMs: number;
  readonly maxWorkloadsPerIdentity: number;
  readonly metrics: DiscoveryMetrics;
  /** Called with the key of each workload that spoke for itself. */
  readonly heard: (key: string) => void;
  /** Resolves once the registry and the configuration are read; throws `WeftError` UNAVAILABLE while the bus is away. */
  readonly usable: (signal: AbortSignal) => Promise<void>;
}

/** How often a write that lost a race is tried again. */
const ATTEMPTS = 20;

function callerOf(call: CallContext): SpiffeId {
  if (call.caller.identity) return call.caller.identity;
  throw new WeftError('UNAUTHENTICATED', 'the registry is open to workloads of the mesh alone: present a certificate', {
    source: 'downstream',
  });
}

function invalid(message: string): WeftError {
  return new WeftError('INVALID_ARGUMENT', message, { source: 'downstream' });
}

/** Refuses to speak for a workload that another identity registered. */
function checkOwner(entry: Entry<Workload> | undefined, caller: SpiffeId): void {
  if (!entry || entry.value.spiffeId === formatSpiffeId(caller)) return;
  throw new WeftError(
    'PERMISSION_DENIED',
    `workload ${entry.value.id} of namespace ${entry.value.namespace} belongs to ${entry.value.spiffeId}, not to ` +
      `${formatSpiffeId(caller)}; name this one otherwise`,
    { source: 'downstream' },
  );
}

function takenOver(entry: Entry<Workload>): WeftError {
  return new WeftError(
    'ABORTED',
    `workload ${entry.value.id} was taken over by a newer start of it, on ${entry.value.host || 'an unnamed host'}`,
    { source: 'downstream' },
  );
}

/**
 * Runs `write` until it wins its race for the entry, after a pause of up to 2 ms more each time. An ABORTED that is the
 * caller's own doing is no lost race.
 */
async function racing<T>(write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write();
    } catch (thrown) {
      const error = toWeftError(thrown);
      const isLost = error === thrown && error.code === 'ABORTED' && error.source !== 'downstream';
      if (!isLost || attempt === ATTEMPTS) throw thrown;
    }
    await delay(Math.random() * 2 * attempt);
  }
}

async function putEntry(parts: RegistryParts, key: string, value: Workload, over: number): Promise<number> {
  const revision = await parts.state.put(key, value, { expectedRevision: over });
  parts.live.observe({ type: 'put', key, value, revision });
  parts.heard(key);
  return revision;
}

async function register(parts: RegistryParts, request: RegisterRequest, call: CallContext): Promise<RegisterResponse> {
  const caller = callerOf(call);
  const asked = request.workload;
  if (!asked) throw invalid('workload: is missing');
  const violations = validateWorkload(asked);
  if (violations.length > 0) throw invalid(violations.map(({ path, message }) => `${path}: ${message}`).join('; '));
  await parts.usable(call.signal);
  checkPermission(caller, asked, parts.declared);
  const key = workloadKey(asked.namespace, asked.id);
  const spiffeId = formatSpiffeId(caller);
  const registryRevision = await racing(async () => {
    const entry = await parts.state.get(key);
    checkOwner(entry, caller);
    if (!entry && parts.live.countOf(spiffeId) >= parts.maxWorkloadsPerIdentity) {
      throw new WeftError(
        'RESOURCE_EXHAUSTED',
        `${spiffeId} has ${parts.maxWorkloadsPerIdentity} workloads already, which is the most that one identity may have`,
        { source: 'downstream' },
      );
    }
    const workload: Workload = { ...asked, spiffeId, registeredAtMs: parts.clock.now() };
    return putEntry(parts, key, workload, entry?.revision ?? 0);
  });
  parts.metrics.registered.inc();
  const { heartbeatEveryMs, expiresAfterMs } = parts;
  return { heartbeatEveryMs, expiresAfterMs, registryRevision };
}

function checkedKey(caller: SpiffeId, workloadId: string): string {
  if (!isWorkloadId(workloadId))
    throw invalid(`workload_id ${JSON.stringify(workloadId)}: expected the id of a workload`);
  return workloadKey(caller.namespace, workloadId);
}

async function heartbeat(
  parts: RegistryParts,
  request: HeartbeatRequest,
  call: CallContext,
): Promise<HeartbeatResponse> {
  const caller = callerOf(call);
  const key = checkedKey(caller, request.workloadId);
  if (!isHealth(request.health)) {
    throw invalid(`health ${request.health}: expected STARTING, READY, UNREADY or DRAINING`);
  }
  await parts.usable(call.signal);
  const known = parts.live.get(key);
  const isCurrent = known?.value.incarnation === request.incarnation;
  const revision = await racing(async () => {
    // What the live copy holds may lag behind another instance's write: what it does not confirm is looked up.
    const entry = isCurrent && known.value.health === request.health ? known : await parts.state.get(key);
    if (!entry) {
      throw new WeftError('NOT_FOUND', `workload ${request.workloadId} is not in the registry; register it again`);
    }
    checkOwner(entry, caller);
    if (entry.value.incarnation !== request.incarnation) throw takenOver(entry);
    parts.heard(key);
    if (entry.value.health === request.health) return entry.revision;
    return putEntry(parts, key, { ...entry.value, health: request.health }, entry.revision);
  });
  parts.metrics.heartbeats.inc();
  return { registryRevision: Math.max(revision, parts.live.revision) };
}

async function deregister(
  parts: RegistryParts,
  request: DeregisterRequest,
  call: CallContext,
): Promise<DeregisterResponse> {
  const caller = callerOf(call);
  const key = checkedKey(caller, request.workloadId);
  await parts.usable(call.signal);
  const registryRevision = await racing(async () => {
    const entry = await parts.state.get(key);
    checkOwner(entry, caller);
    if (entry && entry.value.incarnation !== request.incarnation) return entry.revision;
    const revision = await parts.state.delete(key, { expectedRevision: entry?.revision ?? 0 });
    parts.live.observe({ type: 'delete', key, revision });
    if (entry) parts.metrics.deregistered.inc();
    return revision;
  });
  return { registryRevision };
}

export function registryHandlers(parts: RegistryParts): Handlers<typeof Registry> {
  return {
    register: (request, call) => register(parts, request, call),
    heartbeat: (request, call) => heartbeat(parts, request, call),
    deregister: (request, call) => deregister(parts, request, call),
  };
}

/** The calls that the CA answers: `weft.node.v1.Identity` over gRPC, and those of the control plane over the bus. */
import { calls, type IssueServiceCertificateRequest, states } from '@weft/contracts/bus';
import { toWeftError, WeftError } from '@weft/contracts/error';
import type { Identity, JoinRequest, JoinResponse } from '@weft/contracts/node';
import { formatSpiffeId, isLabel, publicKeyHash, type SpiffeId, SYSTEM_NAMESPACE } from '@weft/identity';
import type { CallContext, Handlers } from '@weft/rpc';
import { type InstanceDirectory, SERVICE_NAMES, type ServiceContext } from '@weft/service';
import { checkClock, issueFor, joinResponse } from './issue.ts';
import type { MeshView } from './mesh-view.ts';
import type { CaMetrics, JoinRefusal } from './metrics.ts';
import type { Roots } from './roots.ts';
import { checkToken, createToken, TokenRefusal } from './tokens.ts';

/** Certificates of control-plane servers live at least this long, so that they outlast a CA that is away for a while. */
const MIN_SERVICE_LIFE_MS = 10 * 60_000;

export interface Ca {
  readonly context: ServiceContext;
  readonly trustDomain: string;
  readonly svidLifeMs: number;
  readonly roots: Roots;
  readonly directory: InstanceDirectory;
  readonly mesh: MeshView;
  readonly metrics: CaMetrics;
}

function issueWorkload(
  ca: Ca,
  id: SpiffeId,
  { csr, nowMs: callerNowMs }: Pick<JoinRequest, 'csr' | 'nowMs'>,
): JoinResponse {
  const nowMs = ca.context.clock.now();
  const certificate = issueFor({ root: ca.roots.active, id, csr, nowMs, lifeMs: ca.svidLifeMs });
  checkClock(certificate, callerNowMs, nowMs);
  ca.metrics.issued.inc({ kind: 'workload' });
  return joinResponse(certificate, ca.mesh.current, nowMs);
}

function requireLabel(text: string, what: string): void {
  if (isLabel(text)) return;
  throw new WeftError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(text)} is no ${what}: expected 1 to 63 lower-case letters, digits and hyphens`,
    { source: 'downstream' },
  );
}

function refusalOf(thrown: unknown): JoinRefusal {
  if (thrown instanceof TokenRefusal) return thrown.reason;
  const { code } = toWeftError(thrown);
  if (code === 'FAILED_PRECONDITION') return 'clock';
  return code === 'INVALID_ARGUMENT' ? 'request' : 'other';
}

async function join(ca: Ca, request: JoinRequest, call: CallContext): Promise<JoinResponse> {
  const { context, trustDomain, metrics } = ca;
  const { namespace, serviceAccount } = request;
  try {
    requireLabel(namespace, 'namespace');
    requireLabel(serviceAccount, 'service account');
    await checkToken(context.bus.state(states.tokens), request, context.clock.now());
    const id = { trustDomain, namespace, serviceAccount };
    const response = issueWorkload(ca, id, request);
    context.log.info({ identity: formatSpiffeId(id), address: call.caller.address }, 'a workload joined');
    return response;
  } catch (thrown) {
    const reason = refusalOf(thrown);
    metrics.refused.inc({ reason });
    context.log.warn({ reason, namespace, serviceAccount, address: call.caller.address }, 'a join was refused');
    throw thrown;
  }
}

/** The service that agents call. */
export function identityHandlers(ca: Ca): Handlers<typeof Identity> {
  return {
    join: (request, call) => join(ca, request, call),
    renew: async (request, call) => {
      const { identity } = call.caller;
      if (!identity) throw new WeftError('UNAUTHENTICATED', 'only who has a certificate of the mesh can renew it');
      if (identity.namespace === SYSTEM_NAMESPACE) {
        throw new WeftError('PERMISSION_DENIED', 'services of the control plane get their certificates over the bus');
      }
      return issueWorkload(ca, identity, request);
    },
    watchMesh: (_request, call) => ca.mesh.watch(AbortSignal.any([call.signal, ca.context.signal])),
  };
}

function issueService(ca: Ca, { service, csr }: IssueServiceCertificateRequest) {
  if (!SERVICE_NAMES.some((name) => name === service)) {
    throw new WeftError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(service)} is no service of the control plane: expected ${SERVICE_NAMES.join(', ')}`,
    );
  }
  const { trustDomain, roots, context, metrics } = ca;
  const id = { trustDomain, namespace: SYSTEM_NAMESPACE, serviceAccount: service };
  const lifeMs = Math.max(ca.svidLifeMs, MIN_SERVICE_LIFE_MS);
  const { der, notAfterMs } = issueFor({ root: roots.active, id, csr, nowMs: context.clock.now(), lifeMs });
  metrics.issued.inc({ kind: 'service' });
  return { chain: [der], notAfterMs };
}

/** Serves the calls of the bus until the service stops. Resolves once they can arrive. */
export async function serveCalls(ca: Ca): Promise<void> {
  const { bus, signal, clock, log } = ca.context;
  const tokens = bus.state(states.tokens);
  await bus.serve(calls.issueServiceCertificate, async (request) => issueService(ca, request), signal);
  await bus.serve(
    calls.createToken,
    async (request) => {
      const response = await createToken(tokens, request, publicKeyHash(ca.roots.active.certificate), clock.now());
      const { namespace, serviceAccounts, createdBy } = request;
      log.info({ tokenId: response.kept?.id, namespace, serviceAccounts, createdBy }, 'a join token was made');
      return response;
    },
    signal,
  );
}

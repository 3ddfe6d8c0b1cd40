/** Join tokens: made, kept without their secret, and checked. */
import type { State } from '@weft/bus';
import type { CreateTokenRequest, CreateTokenResponse, JoinToken } from '@weft/contracts/bus';
import { toWeftError, WeftError } from '@weft/contracts/error';
import {
  constantTimeEqual,
  createJoinToken,
  formatJoinToken,
  isLabel,
  type JoinTokenParts,
  parseJoinToken,
  SYSTEM_NAMESPACE,
  secretHash,
} from '@weft/identity';
import { readIfThere, writeSecret } from './files.ts';

const ANY = '*';
/** A century: what is longer is a mistake in the unit. */
const MAX_LIFE_MS = 100 * 365 * 86_400_000;

function requireAllowed(text: string, what: string): void {
  if (text === ANY || isLabel(text)) return;
  throw new WeftError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(text)} is no ${what}: expected lower-case letters, digits and hyphens, or * for any`,
  );
}

function requireTokenRequest({ namespace, serviceAccounts, lifeMs }: CreateTokenRequest): void {
  requireAllowed(namespace, 'namespace');
  if (namespace === SYSTEM_NAMESPACE) {
    throw new WeftError(
      'INVALID_ARGUMENT',
      `${SYSTEM_NAMESPACE} is the control plane's own namespace, which nobody can join`,
    );
  }
  if (serviceAccounts.length === 0) {
    throw new WeftError('INVALID_ARGUMENT', 'a join token allows at least one service account; * allows any');
  }
  for (const account of serviceAccounts) requireAllowed(account, 'service account');
  if (!(lifeMs >= 0 && lifeMs <= MAX_LIFE_MS)) {
    throw new WeftError(
      'INVALID_ARGUMENT',
      `a join token cannot live for ${lifeMs} ms: expected 0 (for ever) to a century`,
    );
  }
}

/** Makes a token and keeps what is needed to know it again. Throws `WeftError` INVALID_ARGUMENT. */
export async function createToken(
  tokens: State<JoinToken>,
  request: CreateTokenRequest,
  rootHash: Buffer,
  nowMs: number,
): Promise<CreateTokenResponse> {
  requireTokenRequest(request);
  const parts = createJoinToken(rootHash);
  const kept: JoinToken = {
    id: parts.id,
    secretSha256: secretHash(parts.secret),
    namespace: request.namespace,
    serviceAccounts: [...new Set(request.serviceAccounts)],
    createdAtMs: nowMs,
    expiresAtMs: request.lifeMs === 0 ? 0 : nowMs + request.lifeMs,
    createdBy: request.createdBy,
  };
  await tokens.put(parts.id, kept, { expectedRevision: 0 });
  return { token: formatJoinToken(parts), kept };
}

export type RefusalReason = 'malformed' | 'unknown' | 'expired' | 'namespace' | 'service-account';

/** What a join token does not allow; `reason` is for the metric. */
export class TokenRefusal extends WeftError {
  readonly reason: RefusalReason;

  constructor(code: 'UNAUTHENTICATED' | 'PERMISSION_DENIED', reason: RefusalReason, message: string) {
    super(code, message, { source: 'downstream', retryable: false });
    this.reason = reason;
  }
}

function parse(token: string): JoinTokenParts {
  try {
    return parseJoinToken(token);
  } catch (thrown) {
    throw new TokenRefusal('UNAUTHENTICATED', 'malformed', toWeftError(thrown).message);
  }
}

const NO_SECRET = Buffer.alloc(32);

/** Throws a {@link TokenRefusal} unless the token stands and allows that identity. */
export async function checkToken(
  tokens: State<JoinToken>,
  {
    token,
    namespace,
    serviceAccount,
  }: { readonly token: string; readonly namespace: string; readonly serviceAccount: string },
  nowMs: number,
): Promise<void> {
  const { id, secret } = parse(token);
  const kept = (await tokens.get(id))?.value;
  // One answer for a token that is not there and a secret that is wrong, after the same work.
  const isKnown = constantTimeEqual(secretHash(secret), kept?.secretSha256 ?? NO_SECRET);
  if (!kept || !isKnown) {
    const message =
      'the join token is not known to this mesh: it is of another, or was taken back; make one with weft token create';
    throw new TokenRefusal('UNAUTHENTICATED', 'unknown', message);
  }
  if (kept.expiresAtMs !== 0 && nowMs >= kept.expiresAtMs) {
    const message = `the join token expired at ${new Date(kept.expiresAtMs).toISOString()}: make one with weft token create`;
    throw new TokenRefusal('UNAUTHENTICATED', 'expired', message);
  }
  if (namespace === SYSTEM_NAMESPACE) {
    const message = `${SYSTEM_NAMESPACE} is the control plane's own namespace, which nobody can join`;
    throw new TokenRefusal('PERMISSION_DENIED', 'namespace', message);
  }
  if (kept.namespace !== ANY && kept.namespace !== namespace) {
    const message = `the join token is for the namespace ${JSON.stringify(kept.namespace)}, and ${JSON.stringify(namespace)} was asked for`;
    throw new TokenRefusal('PERMISSION_DENIED', 'namespace', message);
  }
  if (!kept.serviceAccounts.includes(ANY) && !kept.serviceAccounts.includes(serviceAccount)) {
    const allowed = kept.serviceAccounts.map((account) => JSON.stringify(account)).join(', ');
    const message = `the join token is for the service account ${allowed}, and ${JSON.stringify(serviceAccount)} was asked for`;
    throw new TokenRefusal('PERMISSION_DENIED', 'service-account', message);
  }
}

/**
 * Keeps a token that allows anybody in a file (0600): the one that is there as long as the CA knows it and it names the
 * root that signs, else a new one.
 */
export async function keepTokenFile(
  path: string,
  tokens: State<JoinToken>,
  rootHash: Buffer,
  nowMs: number,
): Promise<void> {
  const text = readIfThere(path);
  const found = text === undefined ? undefined : parsedOrNothing(text);
  const kept = found && (await tokens.get(found.id))?.value;
  const isKnown = found && kept && constantTimeEqual(secretHash(found.secret), kept.secretSha256);
  if (found && isKnown) {
    if (found.rootHash.equals(rootHash)) return;
    // It names a root that signs no longer: whoever joins with it would not know the mesh.
    await tokens.delete(found.id);
  }
  const request = { namespace: ANY, serviceAccounts: [ANY], lifeMs: 0, createdBy: 'the CA, as it started' };
  const { token } = await createToken(tokens, request, rootHash, nowMs);
  writeSecret(path, `${token}\n`);
}

function parsedOrNothing(text: string): JoinTokenParts | undefined {
  try {
    return parseJoinToken(text);
  } catch {
    // Whatever is in the file is no token, and a new one takes its place.
    return undefined;
  }
}

/** The identity that a run begins with: what was kept, when it still holds, else a new one for the join token. */
import { toWeftError, WeftError } from '@weft/contracts/error';
import { parseJoinToken, parseTrust, publicKeyHash } from '@weft/identity';
import { Backoff } from './backoff.ts';
import type { AgentFolder } from './folder.ts';
import { type AgentIdentity, readIdentity, writeIdentity } from './identity.ts';
import { joinMesh } from './join.ts';
import type { AgentSettings } from './options.ts';
import { readToken } from './token.ts';

/** Codes after which trying again may help: the control plane is just being started. */
const WAITED_FOR = ['UNAVAILABLE', 'DEADLINE_EXCEEDED'];

/** Joins with the token, once. */
export async function rejoin(settings: AgentSettings, signal: AbortSignal): Promise<AgentIdentity> {
  const { join: address, namespace, service, serviceAccount } = settings;
  return joinMesh({
    address,
    token: readToken(settings, service),
    namespace,
    serviceAccount,
    now: Date.now,
    signal,
  });
}

/** Joins, waiting up to `joinTimeoutMs` for a control plane that cannot be reached yet. */
async function joinPatiently(settings: AgentSettings, signal: AbortSignal): Promise<AgentIdentity> {
  const backoff = new Backoff({ firstMs: 50, maxMs: 1000 });
  const startedAt = performance.now();
  let isTold = false;
  for (;;) {
    try {
      return await rejoin(settings, signal);
    } catch (thrown) {
      const error = toWeftError(thrown);
      const isLate = performance.now() - startedAt >= settings.joinTimeoutMs;
      if (signal.aborted || isLate || !WAITED_FOR.includes(error.code)) throw error;
      if (!isTold) settings.log.warn({}, `${error.message}; it is tried again for ${settings.joinTimeoutMs / 1000} s`);
      isTold = true;
    }
    await backoff.wait(signal);
  }
}

/** Whether what was kept is of the mesh that the token is for; without a token nothing says otherwise. */
function isOfTokensMesh(kept: AgentIdentity, settings: AgentSettings): boolean {
  let rootHash: Buffer;
  try {
    rootHash = parseJoinToken(readToken(settings, settings.service)).rootHash;
  } catch {
    // There is none, or none that can be read: it is not needed as long as the certificate holds.
    return true;
  }
  return parseTrust(kept.rootsPem).some((root) => publicKeyHash(root).equals(rootHash));
}

/**
 * Throws `WeftError`: FAILED_PRECONDITION without a token, or where the clocks differ too much; UNAVAILABLE when no control
 * plane can be reached; what the CA refuses.
 */
export async function startIdentity(
  settings: AgentSettings,
  folder: AgentFolder,
  signal: AbortSignal,
): Promise<AgentIdentity> {
  const found = readIdentity(folder, settings);
  const kept = found && isOfTokensMesh(found, settings) ? found : undefined;
  if (kept && kept.notAfterMs > Date.now()) return kept;
  let identity: AgentIdentity;
  try {
    identity = await joinPatiently(settings, signal);
  } catch (thrown) {
    const error = toWeftError(thrown);
    if (!kept || !WAITED_FOR.includes(error.code)) throw error;
    const ended = new Date(kept.notAfterMs).toISOString();
    throw new WeftError('UNAVAILABLE', `the certificate ended at ${ended}, and there is no new one: ${error.message}`, {
      source: 'control-plane',
      cause: error,
    });
  }
  writeIdentity(folder, identity);
  return identity;
}

/** The trust bundle on the bus. */
import type { Bus } from '@weft/bus';
import { states, type TrustBundle } from '@weft/contracts/bus';
import { toWeftError, WeftError } from '@weft/contracts/error';
import { type Certificate, derToPem, parsePemCertificates } from '@weft/identity';

export const BUNDLE_KEY = 'bundle';

/** The roots of a bundle that are still worth keeping; what cannot be read or has expired is not. */
function standing(pems: readonly string[], nowMs: number): Certificate[] {
  return pems.flatMap((pem) => {
    try {
      return parsePemCertificates(pem).filter(({ notAfterMs }) => notAfterMs > nowMs);
    } catch {
      // Nobody could verify anything with a root that cannot be read.
      return [];
    }
  });
}

/** The bundle with `own` in front, and every other root of it that still counts after that. */
export function mergeBundle(
  bundle: TrustBundle | undefined,
  own: readonly Certificate[],
  trustDomain: string,
  nowMs: number,
): TrustBundle {
  if (bundle && bundle.trustDomain !== trustDomain) {
    throw new WeftError(
      'FAILED_PRECONDITION',
      `the mesh on this bus is of the trust domain ${JSON.stringify(bundle.trustDomain)}, and this CA of ${JSON.stringify(trustDomain)}: start it with that trust domain, or on another bus`,
    );
  }
  const others = standing(bundle?.roots ?? [], nowMs).filter(({ der }) => !own.some((root) => root.der.equals(der)));
  return { trustDomain, roots: [...own, ...others].map(({ der }) => derToPem(der)) };
}

/** Puts the CA's roots into the bundle on the bus; another CA's stay there. */
export async function publishTrust(
  bus: Bus,
  own: readonly Certificate[],
  trustDomain: string,
  nowMs: number,
): Promise<void> {
  const state = bus.state(states.trust);
  for (;;) {
    const entry = await state.get(BUNDLE_KEY);
    const merged = mergeBundle(entry?.value, own, trustDomain, nowMs);
    if (entry && JSON.stringify(entry.value.roots) === JSON.stringify(merged.roots)) return;
    try {
      await state.put(BUNDLE_KEY, merged, { expectedRevision: entry?.revision ?? 0 });
      return;
    } catch (thrown) {
      // Another CA was faster: its root is to be kept too.
      if (toWeftError(thrown).code !== 'ABORTED') throw thrown;
    }
  }
}

/** Whether a bundle holds all of these roots. */
export function holdsAll(bundle: TrustBundle, own: readonly Certificate[]): boolean {
  const pems = new Set(bundle.roots);
  return own.every(({ der }) => pems.has(derToPem(der)));
}

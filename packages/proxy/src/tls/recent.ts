/** Certificates that came before: the callers of a service come back with the same ones. */
import { hash, type X509Certificate } from 'node:crypto';

/** Longer chains than these are nobody's of a mesh, and are not remembered. */
const MAX_CHAIN = 8;

/** What the peer presented, the leaf first; roots of our own store are not among it. */
export function presentedChain(leaf: X509Certificate): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let next: X509Certificate | undefined = leaf; next && chain.length <= MAX_CHAIN; next = next.issuerCertificate) {
    chain.push(next);
  }
  return chain;
}

/** When the first certificate of what the peer presented ends. */
export function validUntilMs(leaf: X509Certificate): number {
  return Math.min(...presentedChain(leaf).map(({ validToDate }) => validToDate.getTime()));
}

/** Tells chains apart by every byte of them; undefined for those that are too long to be remembered. */
export function chainKey(chain: readonly X509Certificate[]): string | undefined {
  return chain.length > MAX_CHAIN ? undefined : chain.map(certificateKey).join();
}

/** Tells certificates apart by every byte of them. */
export function certificateKey({ raw }: X509Certificate): string {
  return hash('sha256', raw, 'base64');
}

/** As many as are kept at most; the oldest goes first. */
const MAX_ENTRIES = 16_384;

/** Values by the bytes of certificates, each until a time. */
export class Recent<T> {
  readonly #entries = new Map<string, { readonly value: T; readonly untilMs: number }>();

  get(key: string, nowMs: number): T | undefined {
    const entry = this.#entries.get(key);
    return entry && entry.untilMs > nowMs ? entry.value : undefined;
  }

  set(key: string, value: T, untilMs = Number.POSITIVE_INFINITY): void {
    this.#entries.delete(key);
    if (this.#entries.size >= MAX_ENTRIES) {
      const [oldest = ''] = this.#entries.keys();
      this.#entries.delete(oldest);
    }
    this.#entries.set(key, { value, untilMs });
  }
}

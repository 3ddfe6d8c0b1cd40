/** Who is at the other end of each connection: found once, as it is made. */
import type { TLSSocket } from 'node:tls';
import { WeftError } from '@weft/contracts/error';
import { parseCertificate, peerChain, type SpiffeId, verifySvid } from '@weft/identity';
import type { Trust } from '../trust.ts';

/** What a peer has proved. */
export type Proof =
  | { readonly type: 'identity'; readonly id: SpiffeId; readonly leaf: Buffer; readonly notAfterMs: number }
  /** It showed no certificate. */
  | { readonly type: 'none' }
  /** It showed one that does not hold. */
  | { readonly type: 'refused'; readonly error: WeftError };

/** Verifies what the peer of a TLS connection showed. */
export function proofOf(socket: TLSSocket, trust: Trust, nowMs: number): Proof {
  const chain = peerChain(socket.getPeerCertificate(true));
  const [first] = chain;
  if (!first) return { type: 'none' };
  try {
    const id = verifySvid(chain, { roots: trust.roots, trustDomain: trust.trustDomain ?? '', nowMs });
    if (!socket.authorized) {
      throw new WeftError('UNAUTHENTICATED', `the certificate is refused: ${socket.authorizationError}`);
    }
    const leaf = Buffer.from(first);
    return { type: 'identity', id, leaf, notAfterMs: parseCertificate(leaf).notAfterMs };
  } catch (error) {
    if (error instanceof WeftError) return { type: 'refused', error };
    throw error;
  }
}

/** The connections that stand, by the address of their peer. */
export class Peers {
  readonly #proofs = new Map<string, Proof>();

  add(socket: TLSSocket, proof: Proof): void {
    const key = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#proofs.set(key, proof);
    socket.once('close', () => {
      if (this.#proofs.get(key) === proof) this.#proofs.delete(key);
    });
  }

  /**
   * What the peer at that address has proved. `leaf` is the certificate of the very connection that the call came over:
   * an address can be used again.
   */
  find(peer: string, leaf: Buffer | undefined): Proof {
    const proof = this.#proofs.get(peer);
    if (proof?.type === 'identity' && !(leaf && proof.leaf.equals(leaf))) return { type: 'none' };
    return proof ?? { type: 'none' };
  }
}

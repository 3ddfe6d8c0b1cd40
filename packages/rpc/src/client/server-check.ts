/** Whether the server that a client reached is the one it means. */
import type { TLSSocket } from 'node:tls';
import { WeftError } from '@weft/contracts/error';
import { formatSpiffeId, peerChain, verifySvid } from '@weft/identity';
import { trustDomainOf, trustOf } from '../trust.ts';
import type { ConnectOptions } from '../types.ts';

/**
 * Throws `WeftError` UNAUTHENTICATED unless the server proved an identity that is wanted. A client that has no
 * certificate yet knows no trust domain: it takes the server's, which its roots and `expect` judge.
 */
export function checkServer(socket: TLSSocket, tls: NonNullable<ConnectOptions['tls']>, nowMs: number): void {
  const chain = peerChain(socket.getPeerCertificate(true));
  const { roots, trustDomain } = trustOf(tls.source.current());
  const id = verifySvid(chain, { roots, trustDomain: trustDomain ?? trustDomainOf(chain[0]) ?? '', nowMs });
  // What OpenSSL says of the same chain, which must not be laxer than this.
  if (!socket.authorized) {
    throw new WeftError('UNAUTHENTICATED', `the certificate is refused: ${socket.authorizationError}`);
  }
  if (!tls.expect(id)) {
    throw new WeftError('UNAUTHENTICATED', `${formatSpiffeId(id)} is not who is meant to be reached`);
  }
}

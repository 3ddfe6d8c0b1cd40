/** Issues certificates for what a caller may be, by what its clock can take. */

import { WeftError } from '@weft/contracts/error';
import type { JoinResponse, MeshInfo } from '@weft/contracts/node';
import {
  type Certificate,
  type Issuer,
  issueCertificate,
  parseCertificate,
  parseCsr,
  type SpiffeId,
} from '@weft/identity';

export interface IssueRequest {
  readonly root: Issuer;
  readonly id: SpiffeId;
  readonly csr: Uint8Array;
  readonly nowMs: number;
  readonly lifeMs: number;
}

/** Issues for the key of a signing request. Throws `WeftError` INVALID_ARGUMENT for a request that does not hold. */
export function issueFor({ root, id, csr, nowMs, lifeMs }: IssueRequest): Certificate {
  return parseCertificate(issueCertificate({ issuer: root, id, spki: parseCsr(csr), nowMs, lifeMs }));
}

/**
 * Refuses a caller on whose machine the certificate would not be valid now. A caller that tells no time (0) is taken at
 * its word when it meets its peers.
 */
export function checkClock(certificate: Certificate, callerNowMs: number, nowMs: number): void {
  if (callerNowMs === 0) return;
  const isEarly = callerNowMs < certificate.notBeforeMs;
  if (!isEarly && callerNowMs < certificate.notAfterMs) return;
  const apart = Math.round(Math.abs(callerNowMs - nowMs) / 1000);
  const direction = isEarly ? 'behind' : 'ahead of';
  const state = isEarly ? 'not yet valid' : 'expired already';
  throw new WeftError(
    'FAILED_PRECONDITION',
    `the clock of the machine that asks is ${apart} s ${direction} that of the control plane, so that the certificate would be ${state} there: set the clocks, for instance by NTP`,
    { source: 'downstream' },
  );
}

export function joinResponse(certificate: Certificate, mesh: MeshInfo, nowMs: number): JoinResponse {
  const { der, notBeforeMs, notAfterMs } = certificate;
  return { chain: [der], notBeforeMs, notAfterMs, mesh, nowMs };
}

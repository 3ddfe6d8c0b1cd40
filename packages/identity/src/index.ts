export { type Certificate, parseCertificate, parsePemCertificates, publicKeyHash } from './certificate.ts';
export { createCsr, parseCsr } from './csr.ts';
export {
  BACKDATE_MS,
  createRoot,
  type IssueOptions,
  type Issuer,
  issueCertificate,
  type RootOptions,
} from './issue.ts';
export {
  constantTimeEqual,
  createJoinToken,
  formatJoinToken,
  type JoinTokenParts,
  parseJoinToken,
  secretHash,
} from './join-token.ts';
export { generateKey, keyFromPem, keyToPem, spkiHash, spkiOf } from './key.ts';
export { chainToPem, derToPem, pemToDer } from './pem.ts';
export {
  formatSpiffeId,
  isLabel,
  isTrustDomain,
  parseAnySpiffeId,
  parseSpiffeId,
  type SpiffeId,
  SYSTEM_NAMESPACE,
} from './spiffe.ts';
export { createSvid, renewAtMs, type Svid } from './svid.ts';
export {
  type AnyVerifyOptions,
  type PeerCertificate,
  parseTrust,
  peerChain,
  spiffeIdOfLeaf,
  type VerifyOptions,
  verifyAnySvid,
  verifySvid,
} from './verify.ts';

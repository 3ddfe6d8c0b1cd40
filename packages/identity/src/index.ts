export { formatSpiffeId, isLabel, isTrustDomain, parseSpiffeId, type SpiffeId, SYSTEM_NAMESPACE } from './spiffe.ts';

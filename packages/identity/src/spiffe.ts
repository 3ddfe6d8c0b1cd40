/** SPIFFE IDs: https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md. */
import { WeftError } from '@weft/contracts/error';

/** Who a workload is. */
export interface SpiffeId {
  /** `shop.example`; lower-case letters, digits, `.`, `-`, `_`. */
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** The namespace of the control plane's own services. */
export const SYSTEM_NAMESPACE = 'weft-system';

const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
/** A DNS label, as namespaces and services are named. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Whether a text can name a namespace, a service or a service account: a DNS label (RFC 1123). */
export function isLabel(text: string): boolean {
  return LABEL.test(text);
}

export function isTrustDomain(text: string): boolean {
  return TRUST_DOMAIN.test(text);
}

/** `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`. */
export function formatSpiffeId(id: SpiffeId): string {
  return `spiffe://${id.trustDomain}/ns/${id.namespace}/sa/${id.serviceAccount}`;
}

/** Reads a SPIFFE ID of Weft's form; throws `WeftError` INVALID_ARGUMENT for any other text, however close. */
export function parseSpiffeId(text: string): SpiffeId {
  const match = /^spiffe:\/\/([^/]*)\/ns\/([^/]*)\/sa\/([^/]*)$/.exec(text);
  const [, trustDomain = '', namespace = '', serviceAccount = ''] = match ?? [];
  if (!match || !TRUST_DOMAIN.test(trustDomain) || !LABEL.test(namespace) || !LABEL.test(serviceAccount)) {
    throw new WeftError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(text)} is not an identity of the form spiffe://<trust domain>/ns/<namespace>/sa/<service account>`,
    );
  }
  return { trustDomain, namespace, serviceAccount };
}

/** The longest that SPIFFE allows an ID to be (SPIFFE-ID, 2.3). */
const MAX_ID_LENGTH = 2048;
const ANY_ID = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/[a-zA-Z0-9._-]+)*)$/;

/**
 * The trust domain of a SPIFFE ID of any form, that of a trust domain itself included (`hasPath` is false then);
 * undefined where the text is no SPIFFE ID.
 */
export function parseAnySpiffeId(
  text: string,
): { readonly trustDomain: string; readonly hasPath: boolean } | undefined {
  const match = text.length <= MAX_ID_LENGTH ? ANY_ID.exec(text) : null;
  const [, trustDomain = '', path = ''] = match ?? [];
  if (!match || path.split('/').some((segment) => segment === '.' || segment === '..')) return undefined;
  return { trustDomain, hasPath: path !== '' };
}

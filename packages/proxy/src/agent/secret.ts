/** The secrets that a data plane is given: who it is, and whom it trusts. */
import { encode } from '@weft/envoy-api';
import type { TlsMaterial } from '@weft/rpc';

export const IDENTITY_SECRET = 'weft/identity';
export const TRUST_SECRET = 'weft/trust';

const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';

/** By name, the encoded `Secret`. */
export function secretBytes(material: TlsMaterial, trustDomain: string): ReadonlyMap<string, Buffer> {
  const roots = { inline_string: material.rootsPem.join('\n') };
  return new Map([
    [
      IDENTITY_SECRET,
      encode(SECRET, {
        name: IDENTITY_SECRET,
        tls_certificate: {
          certificate_chain: { inline_string: material.chainPem },
          private_key: { inline_string: material.keyPem },
        },
      }),
    ],
    [
      TRUST_SECRET,
      encode(SECRET, {
        name: TRUST_SECRET,
        validation_context: {
          custom_validator_config: {
            name: 'envoy.tls.cert_validator.spiffe',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
              trust_domains: [{ name: trustDomain, trust_bundle: roots }],
            },
          },
        },
      }),
    ],
  ]);
}

/**
 * The secrets that a data plane is given: who it is, and whom it trusts:
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/transport_sockets/tls/v3/secret.proto. Their own small tables
 * keep the whole API's out of an agent whose data plane is Envoy; a test reads them with the whole API's.
 */
import { createNativeCodec } from '@weft/protobuf';
import type { TlsMaterial } from '@weft/rpc';

export const IDENTITY_SECRET = 'weft/identity';
export const TRUST_SECRET = 'weft/trust';

const codec = createNativeCodec({
  messages: {
    Secret: '1 name =s;2 tls_certificate ?m TlsCertificate;4 validation_context ?m ValidationContext',
    TlsCertificate: '1 certificate_chain ?m DataSource;2 private_key ?m DataSource',
    ValidationContext: '12 custom_validator_config ?m Extension',
    DataSource: '3 inline_string ?s',
    Extension: '1 name =s;2 typed_config ?m Any',
    Any: '1 type_url =s;2 value =B',
    SpiffeValidator: '1 trust_domains *m TrustDomain',
    TrustDomain: '1 name =s;2 trust_bundle ?m DataSource',
  },
  enums: {},
});

const SPIFFE_VALIDATOR = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig';

function identitySecret({ chainPem, keyPem }: TlsMaterial): Buffer {
  const tlsCertificate = { certificateChain: { inlineString: chainPem }, privateKey: { inlineString: keyPem } };
  return codec.encode('Secret', { name: IDENTITY_SECRET, tlsCertificate });
}

function trustSecret({ rootsPem }: TlsMaterial, trustDomain: string): Buffer {
  const trustDomains = [{ name: trustDomain, trustBundle: { inlineString: rootsPem.join('\n') } }];
  const typedConfig = { typeUrl: SPIFFE_VALIDATOR, value: codec.encode('SpiffeValidator', { trustDomains }) };
  const customValidatorConfig = { name: 'envoy.tls.cert_validator.spiffe', typedConfig };
  return codec.encode('Secret', { name: TRUST_SECRET, validationContext: { customValidatorConfig } });
}

/** By name, the encoded `Secret`. */
export function secretBytes(material: TlsMaterial, trustDomain: string): ReadonlyMap<string, Buffer> {
  return new Map([
    [IDENTITY_SECRET, identitySecret(material)],
    [TRUST_SECRET, trustSecret(material, trustDomain)],
  ]);
}

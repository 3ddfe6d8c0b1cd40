/** Schemas of the extensions that tell who the client is behind a proxy before this one. */
import { cidrRange } from './cidr.ts';
import { headerName } from './core.ts';
import { httpStatus } from './http-status.ts';
import { anyOf, flag, list, message, name, number, optional, type Parsed, type Place } from './schema.ts';

const trustedCidrs = message('envoy.extensions.http.original_ip_detection.xff.v3.XffTrustedCidrs', {
  cidrs: list(cidrRange),
});

const xff = message(
  'envoy.extensions.http.original_ip_detection.xff.v3.XffConfig',
  { xff_num_trusted_hops: number(0), xff_trusted_cidrs: optional(trustedCidrs), skip_xff_append: flag(true) },
  ({ xff_num_trusted_hops: hops, xff_trusted_cidrs: cidrs }, place) => {
    if (hops > 0 && cidrs) place.refuse('has both xff_num_trusted_hops and xff_trusted_cidrs');
  },
);

const customHeader = message('envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig', {
  header_name: headerName,
  allow_extension_to_set_address_as_trusted: flag(),
  reject_with_status: optional(httpStatus),
});

/** One entry of `original_ip_detection_extensions`. */
export const originalIpDetection = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: name(),
  typed_config: anyOf({ xff, 'custom-header': customHeader }),
});

export type OriginalIpConfig = Parsed<typeof originalIpDetection>['typed_config'];

interface Mixed {
  readonly original_ip_detection_extensions: readonly unknown[];
  readonly use_remote_address: boolean;
  readonly xff_num_trusted_hops: number;
}

/** Only one of them may say who the client is. */
export function checkOriginalIps(config: Mixed, place: Place): void {
  if (config.original_ip_detection_extensions.length === 0) return;
  for (const field of ['use_remote_address', 'xff_num_trusted_hops'] as const) {
    if (!config[field]) continue;
    place.within('original_ip_detection_extensions', () => place.refuse(`does not go with ${field}`));
  }
}

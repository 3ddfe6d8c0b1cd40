/**
 * Who the client is, as `original_ip_detection_extensions` of a connection manager have it
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/other_features/ip_transparency). The first one that
 * finds an address is believed.
 */
import { isIP } from 'node:net';
import type { OriginalIpConfig } from '../config/original-ip.ts';
import type { HeaderList } from '../http/header-list.ts';
import { v6Text } from '../net/address-text.ts';
import type { IpRange } from '../net/cidr.ts';
import type { LocalReply } from './local-reply.ts';

/** What was found out. */
export interface OriginalIp {
  /** Undefined where nothing was found. */
  readonly address: string | undefined;
  /** Whether the request counts as one of the mesh's own where the address is. */
  readonly isTrusted: boolean;
  /** Whether the peer's address is added to X-Forwarded-For. */
  readonly appends: boolean;
  /** What a client is told that could not be recognized; undefined: it is served. */
  readonly refusal: LocalReply | undefined;
}

/** `peer`: the address of the connection; '' of a unix socket. */
export type DetectIp = (headers: HeaderList, peer: string) => OriginalIp;

const NOTHING: OriginalIp = { address: undefined, isTrusted: false, appends: false, refusal: undefined };

/** One address has one spelling, whoever wrote it: what counts, limits or denies by addresses sees that. */
function address(text: string | undefined): string | undefined {
  const trimmed = text?.trim() ?? '';
  const family = isIP(trimmed);
  if (family === 0 || trimmed.includes('%')) return undefined;
  return family === 6 ? v6Text(trimmed) : trimmed;
}

/** What X-Forwarded-For says; fields of it that say nothing stand for nobody. Undefined: there is none. */
export function forwardedFor({ flat }: HeaderList): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < flat.length; i += 2) {
    if (flat[i] !== 'x-forwarded-for') continue;
    if (!value) value = flat[i + 1];
    else if (flat[i + 1] !== '') value = `${value},${flat[i + 1]}`;
  }
  return value;
}

/** The address that stands `hops` before the last in X-Forwarded-For; undefined where there is none. */
export function forwardedAddress(forwarded: string | undefined, hops: number): string | undefined {
  if (forwarded === undefined) return undefined;
  const addresses = forwarded.split(',');
  return address(addresses[addresses.length - 1 - hops]);
}

/** The last address that is in none of the ranges; the first one where all are. */
function lastUntrusted(forwarded: string, trusted: readonly IpRange[]): string | undefined {
  let found: string | undefined;
  for (const entry of forwarded.split(',').reverse()) {
    found = address(entry);
    if (found === undefined) return undefined;
    const candidate = found;
    if (!trusted.some((range) => range.contains(candidate))) return found;
  }
  return found;
}

type XffConfig = Extract<OriginalIpConfig, { type: 'xff' }>['value'];

function byForwardedFor(config: XffConfig): DetectIp {
  const { xff_num_trusted_hops: hops, xff_trusted_cidrs: trusted, skip_xff_append: skips } = config;
  return (headers, peer) => {
    const forwarded = forwardedFor(headers);
    if (forwarded === undefined) return { ...NOTHING, appends: !skips };
    if (!trusted) {
      const isTrusted = !forwarded.includes(',');
      return { ...NOTHING, address: forwardedAddress(forwarded, hops), isTrusted, appends: !skips };
    }
    if (!trusted.cidrs.some((range) => range.contains(peer))) return { ...NOTHING, appends: !skips };
    return { ...NOTHING, address: lastUntrusted(forwarded, trusted.cidrs), appends: !skips };
  };
}

type HeaderConfig = Extract<OriginalIpConfig, { type: 'custom-header' }>['value'];

function byHeader(config: HeaderConfig): DetectIp {
  const {
    header_name: name,
    allow_extension_to_set_address_as_trusted: isTrusted,
    reject_with_status: status,
  } = config;
  const details = 'rejecting_because_detection_failed';
  // What is no error would tell the client that it was served.
  const refusal =
    status === undefined ? undefined : { status: status < 400 ? 403 : status, body: '', flags: 0, details };
  return (headers) => {
    const found = address(headers.get(name));
    return found === undefined ? { ...NOTHING, refusal } : { ...NOTHING, address: found, isTrusted };
  };
}

/** One function of all extensions; undefined where there are none. */
export function compileOriginalIp(configs: readonly OriginalIpConfig[]): DetectIp | undefined {
  if (configs.length === 0) return undefined;
  const detectors = configs.map((config) =>
    config.type === 'xff' ? byForwardedFor(config.value) : byHeader(config.value),
  );
  return (headers, peer) => {
    let found = NOTHING;
    for (const detect of detectors) {
      found = detect(headers, peer);
      if (found.address !== undefined || found.refusal) return found;
    }
    return found;
  };
}

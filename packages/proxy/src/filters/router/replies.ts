/** What the router answers where the upstream did not, in Envoy's words. */
import type { UpstreamReset } from '../../http/stream.ts';
import type { LocalReply } from '../../stack/local-reply.ts';
import { FLAG } from '../../stack/response-flags.ts';
import type { AttemptFailure } from '../../stack/stream-info.ts';

interface ResetText {
  readonly status: number;
  readonly flag: number;
  readonly text: string;
}

const RESETS: { readonly [K in UpstreamReset['type']]: ResetText } = {
  'connect-failure': { status: 503, flag: FLAG.UF, text: 'remote connection failure' },
  'connect-timeout': { status: 503, flag: FLAG.UF, text: 'connection timeout' },
  'local-connect-failure': { status: 503, flag: FLAG.UF, text: 'local connection failure' },
  'connection-termination': { status: 503, flag: FLAG.UC, text: 'connection termination' },
  'protocol-error': { status: 502, flag: FLAG.UPE, text: 'protocol error' },
  overflow: { status: 503, flag: FLAG.UO, text: 'overflow' },
  'refused-stream': { status: 503, flag: FLAG.UR, text: 'remote refused stream reset' },
  'remote-reset': { status: 503, flag: FLAG.UR, text: 'remote reset' },
  local: { status: 503, flag: FLAG.LR, text: 'local reset' },
};

/** The flag of a reset, for a response that had begun. */
export function resetFlag(reset: UpstreamReset): number {
  return RESETS[reset.type].flag;
}

const OVERLOADED = [['x-envoy-overloaded', 'true']] as const;

/** A reset as traces tell it. */
export function resetFailure(reset: UpstreamReset): AttemptFailure {
  const { text, flag } = RESETS[reset.type];
  return { reason: text, flags: flag };
}

/**
 * The answer in place of one that a reset took away; `wasRetried`: not of the first attempt. What the transport said is for
 * logs: it tells of hosts and certificates that are no concern of clients.
 */
export function resetReply(reset: UpstreamReset, wasRetried: boolean, suppressesEnvoyHeaders = false): LocalReply {
  const { status, flag, text } = RESETS[reset.type];
  const isTransport = reset.type === 'connect-failure' || reset.type === 'connect-timeout';
  const why = isTransport && reset.text !== '' ? `|${reset.text.replaceAll(/\s/g, '_')}` : '';
  const cause = text.replaceAll(' ', '_') + why;
  return {
    status,
    body: `upstream connect error or disconnect/reset before headers. ${wasRetried ? 'retried and the latest ' : ''}reset reason: ${text}`,
    flags: flag,
    details: `upstream_reset_before_response_started{${cause}}`,
    ...(reset.type === 'overflow' && !suppressesEnvoyHeaders ? { headers: OVERLOADED } : {}),
  };
}

export const NO_HEALTHY_UPSTREAM: LocalReply = {
  status: 503,
  body: 'no healthy upstream',
  flags: FLAG.UH,
  details: 'no_healthy_upstream',
};

/** The endpoints' own policy turns a share of requests away. */
export const DROPPED: LocalReply = { status: 503, body: 'drop overload', flags: FLAG.DO, details: 'drop_overload' };

export const DROPPED_AND_TOLD: LocalReply = { ...DROPPED, headers: [['x-envoy-drop-overload', 'true']] };

export const RESPONSE_TIMEOUT: LocalReply = {
  status: 504,
  body: 'upstream request timeout',
  flags: FLAG.UT,
  details: 'response_timeout',
};

export const TRY_TIMEOUT: LocalReply = { ...RESPONSE_TIMEOUT, details: 'upstream_per_try_timeout' };

/** An attempt stood still. */
export const TRY_IDLE_TIMEOUT: LocalReply = { ...RESPONSE_TIMEOUT, details: 'upstream_per_try_idle_timeout' };

/** The route leads to a cluster that is not there. */
export function noCluster(status: number): LocalReply {
  return { status, body: '', flags: FLAG.NC, details: 'cluster_not_found' };
}

/** Whom TLS is to find at a host, by the request that goes there. */
import { isIP } from 'node:net';
import type { Cluster } from '../cluster/cluster.ts';
import { withoutPort } from '../http/authority.ts';
import type { RequestHead } from '../http/message.ts';
import type { PeerName } from '../net/connect.ts';

/** `a.example:80` is `a.example`, `[::1]:80` is `::1`. */
function hostOf(authority: string): string {
  const host = withoutPort(authority);
  return host.startsWith('[') ? host.slice(1, -1) : host;
}

/**
 * By `:authority`, or the field that the cluster names for it; undefined where its requests say nothing of it. An IP
 * address is no server name (RFC 6066, 3), but a certificate can have it.
 */
export function peerNameOf(
  { naming }: Pick<Cluster, 'naming'>,
  head: Pick<RequestHead, 'authority' | 'headers'>,
): PeerName | undefined {
  if (!naming) return undefined;
  const { override_auto_sni_header: field, auto_sni: names, auto_san_validation: checks } = naming;
  const host = hostOf((field !== '' && head.headers.get(field.toLowerCase())) || head.authority).toLowerCase();
  if (host === '') return undefined;
  return {
    serverName: names && isIP(host) === 0 ? host : undefined,
    certificateName: checks ? host : undefined,
  };
}

/** Requests and peers as policies are asked about; for tests. */
import { Place } from '../../config/schema.ts';
import { HeaderList } from '../../http/header-list.ts';
import { RequestHead } from '../../http/message.ts';
import { type DownstreamInfo, StreamInfo, type TlsInfo } from '../../stack/stream-info.ts';
import { downstream } from '../../stack/testing/downstream.ts';
import type { AskedRequest } from './condition.ts';
import type { Scope } from './policy-schema.ts';
import type { Rules } from './rules.ts';
import { rulesSchema } from './schema.ts';

/** What a peer's certificate says; undefined where it showed none. */
export interface PeerSaid {
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly subject?: string;
}

export function tlsOf(peer: PeerSaid | undefined): TlsInfo {
  return {
    version: 'TLSv1.3',
    cipher: '',
    serverName: '',
    peer: peer && { uris: [], dnsNames: [], subject: '', issuer: '', sha256: '', pem: '', ...peer },
    local: undefined,
    peerChainPem: '',
  };
}

export interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly authority?: string;
  /** Names and values, one after the other. */
  readonly headers?: string[];
  readonly connection?: Partial<DownstreamInfo>;
  readonly remoteHost?: string;
  readonly metadata?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly routeMetadata?: unknown;
}

export function asked(given: Asked = {}): AskedRequest {
  const { method = 'GET', path = '/', authority = 'a', headers = [] } = given;
  const head = new RequestHead(method, path, authority, '', new HeaderList([...headers]));
  const info = new StreamInfo(downstream(given.connection), 0, 0);
  if (given.remoteHost !== undefined) info.remoteHost = given.remoteHost;
  for (const [name, values] of Object.entries(given.metadata ?? {})) info.addMetadata(name, values);
  const route = given.routeMetadata === undefined ? undefined : { metadata: given.routeMetadata };
  return { head, info, route: route as AskedRequest['route'] };
}

export function compiled(given: unknown, scope: Scope = 'requests'): Rules {
  const place = new Place();
  const rules = rulesSchema(scope).parse(given, place);
  if (place.issues.length > 0) throw new Error(JSON.stringify(place.issues));
  return rules;
}

/** Everything that is wrong with rules, `path: message` each. */
export function refusals(given: unknown, scope: Scope = 'requests'): readonly string[] {
  const place = new Place();
  rulesSchema(scope).parse(given, place);
  return place.issues.map(({ path, message }) => `${path}: ${message}`);
}

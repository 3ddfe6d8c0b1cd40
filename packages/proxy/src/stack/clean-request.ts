/** Brings requests into the form that routes and filters match, as a connection manager's configuration asks. */
import type { HttpConnectionManagerConfig } from '../config/http.ts';
import { withoutPort, withoutTrailingDot } from '../http/authority.ts';
import type { RequestHead } from '../http/message.ts';
import type { HttpStats } from '../stats/groups.ts';
import type { LocalReply } from './local-reply.ts';
import { normalizePath, type PathOptions } from './normalize-path.ts';
import { FLAG } from './response-flags.ts';

const refuse = (status: number, details: string): LocalReply => ({ status, body: '', flags: 0, details });
const NO_PATH = refuse(404, 'absolute_path_rejected');
/** HTTP/1.1 does not go on after it. */
export const UNDERSCORES: LocalReply = {
  ...refuse(400, 'http1.unexpected_underscore'),
  body: 'Bad Request',
  flags: FLAG.DPE,
};
const BAD_PATH = refuse(400, 'path_normalization_failed');
/** What is told of who is asked last: that it is there. What TRACE would show may be a secret of those in between. */
const LAST = { OPTIONS: refuse(200, 'max_forwards'), TRACE: refuse(501, 'max_forwards') };
const NOT_SECURE = { ...refuse(403, 'http1.invalid_scheme'), body: 'Forbidden' };

export class RequestCleaner {
  readonly #config: HttpConnectionManagerConfig;
  readonly #stats: HttpStats;
  readonly #path: PathOptions;
  readonly #cleansPath: boolean;
  /** Whether nobody stands before this proxy who could have taken TLS off. */
  readonly #isEdge: boolean;
  readonly #underscores: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';
  /** What authorities end with that name the port of the listener, where that is left out. */
  readonly #listenerPort: string | undefined;

  constructor(config: HttpConnectionManagerConfig, listenerPort: number, stats: HttpStats) {
    this.#config = config;
    this.#stats = stats;
    this.#path = pathOptions(config);
    this.#cleansPath = this.#path.normalizes || this.#path.mergesSlashes || this.#path.escapedSlashes !== 'keep';
    this.#isEdge = config.use_remote_address && config.xff_num_trusted_hops === 0;
    this.#underscores = config.common_http_protocol_options?.headers_with_underscores_action ?? 'ALLOW';
    this.#listenerPort = config.strip_matching_host_port ? `:${listenerPort}` : undefined;
  }

  /**
   * Gives the answer to a request that cannot be brought into that form. `isSecure`: it came by TLS. A target of HTTP/1.1
   * that says `https` in the clear would be taken by routes and policies for what it is not.
   */
  clean(head: RequestHead, isSecure: boolean): LocalReply | undefined {
    if (this.#isEdge && !isSecure && head.scheme === 'https' && head.protocol !== 'HTTP/2') return NOT_SECURE;
    // HTTP/1.0 knows no `100 Continue` (RFC 9110 10.1.1).
    if (head.protocol === 'HTTP/1.0') head.headers.remove('expect');
    if (this.#underscores !== 'ALLOW' && !this.#cleanNames(head)) return UNDERSCORES;
    return this.cleanTarget(head);
  }

  /** The same for who and what is asked for alone, whoever asks: a redirect that is followed here does, too. */
  cleanTarget(head: RequestHead): LocalReply | undefined {
    if (head.path === '*') {
      this.#stats.downstream_rq_non_relative_path++;
      return NO_PATH;
    }
    if (head.method === 'OPTIONS' || head.method === 'TRACE') {
      const last = countForward(head);
      if (last) return last;
    }
    if (this.#config.strip_trailing_host_dot) head.authority = withoutTrailingDot(head.authority);
    if (this.#config.strip_any_host_port) head.authority = withoutPort(head.authority);
    else if (this.#listenerPort !== undefined && head.authority.endsWith(this.#listenerPort)) {
      head.authority = withoutPort(head.authority);
    }
    return this.#cleansPath && head.path !== '' ? this.#cleanPath(head) : undefined;
  }

  /** Whether the request may go on with the names that its fields have then. */
  #cleanNames({ headers }: RequestHead): boolean {
    const { flat } = headers;
    if (this.#underscores === 'REJECT_REQUEST') {
      for (let i = 0; i < flat.length; i += 2) if (flat[i]?.includes('_')) return false;
    }
    headers.removeWhere((name) => name.includes('_'));
    return true;
  }

  #cleanPath(head: RequestHead): LocalReply | undefined {
    const normalized = normalizePath(head.path, this.#path);
    switch (normalized.type) {
      case 'path':
        head.path = normalized.path;
        return undefined;
      case 'rejected':
        this.#stats.downstream_rq_failed_path_normalization++;
        return BAD_PATH;
      case 'redirect':
        this.#stats.downstream_rq_redirected_with_normalized_path++;
        return { ...refuse(307, 'path_normalization_failed'), headers: [['location', ownLocation(normalized.path)]] };
    }
  }
}

/**
 * Counts this hop where the request says how many it may take, which is told by each intermediary (RFC 9110, 7.6.2; Envoy
 * passes the number on as it is). Gives the answer where it may take no more.
 */
function countForward({ method, headers }: RequestHead): LocalReply | undefined {
  const told = headers.get('max-forwards');
  if (told === undefined || !/^\d{1,9}$/.test(told)) return undefined;
  if (Number(told) === 0) return method === 'TRACE' ? LAST.TRACE : LAST.OPTIONS;
  headers.set('max-forwards', String(Number(told) - 1));
  return undefined;
}

/** A path as a reference that leads to this very host: what begins with two slashes would name another (RFC 3986, 4.2). */
function ownLocation(path: string): string {
  return /^\/[/\\]/.test(path) ? `/.${path}` : path;
}

function pathOptions(config: HttpConnectionManagerConfig): PathOptions {
  const actions = {
    IMPLEMENTATION_SPECIFIC_DEFAULT: 'keep',
    KEEP_UNCHANGED: 'keep',
    REJECT_REQUEST: 'reject',
    UNESCAPE_AND_REDIRECT: 'redirect',
    UNESCAPE_AND_FORWARD: 'unescape',
  } as const;
  return {
    normalizes: config.normalize_path,
    mergesSlashes: config.merge_slashes,
    escapedSlashes: actions[config.path_with_escaped_slashes_action],
  };
}

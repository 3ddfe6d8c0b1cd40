/** What a route makes of the head of a request before it goes to the upstream. */
import { requestField } from '../../access-log/operators.ts';
import type { RequestHead } from '../../http/message.ts';
import { asUri, isAuthority } from '../../http1/characters.ts';
import { hasEnvoyHeader } from '../../stack/forwarded.ts';
import { applyChanges } from '../../stack/header-changes.ts';
import { rewritten, withPrefix, withRegex, withTemplate } from '../../stack/redirect.ts';
import { steeredRetryPolicy } from '../../stack/retry-overrides.ts';
import { appliesTo, type RetryPolicy } from '../../stack/retry-policy.ts';
import { pathOnly } from '../../stack/route-match.ts';
import type { ForwardAction, Route, WeightedCluster } from '../../stack/route-table.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';

/** A rewritten path as it may stand in a request: rooted, and with nothing in it that would end the request line. */
function asTarget(path: string): string {
  return asUri(path.startsWith('/') ? path : `/${path}`);
}

function rewritePath(head: RequestHead, route: Route, action: ForwardAction, keepsOriginal: boolean): void {
  const { prefix_rewrite: prefix, regex_rewrite: regex, path_rewrite_policy: parts } = action.config;
  const before = head.path;
  if (prefix !== '') head.path = withPrefix(before, route.path, prefix);
  else if (regex) head.path = withRegex(before, regex);
  else if (parts && route.path.template) head.path = withTemplate(before, route.path.template, parts);
  head.path = asTarget(head.path);
  if (keepsOriginal && head.path !== before) head.headers.set('x-envoy-original-path', before);
}

function newAuthority(
  head: RequestHead,
  action: ForwardAction,
  choice: WeightedCluster | undefined,
): string | undefined {
  const { host_rewrite_literal, host_rewrite_header, host_rewrite_path_regex } = action.config;
  if (choice?.hostRewrite !== undefined) return choice.hostRewrite;
  if (host_rewrite_literal !== undefined) return host_rewrite_literal;
  if (host_rewrite_header !== undefined) return requestField(head, host_rewrite_header.toLowerCase());
  if (host_rewrite_path_regex) return rewritten(pathOnly(head.path), host_rewrite_path_regex);
  return undefined;
}

/** Gives the request another authority; what cannot be one is not taken. */
export function rewriteHost(
  head: RequestHead,
  authority: string,
  appendsForwardedHost: boolean,
  keepsOriginal: boolean,
): void {
  if (authority === head.authority || !isAuthority(authority)) return;
  if (keepsOriginal) head.headers.set('x-envoy-original-host', head.authority);
  if (appendsForwardedHost) head.headers.add('x-forwarded-host', head.authority);
  head.authority = authority;
}

/** Makes the head that the upstream gets of the one that the client sent. */
export function finishRequestHead(
  head: RequestHead,
  info: StreamInfo,
  route: Route,
  action: ForwardAction,
  choice: WeightedCluster | undefined,
  suppressesEnvoyHeaders: boolean,
): void {
  const keepsOriginal = !suppressesEnvoyHeaders;
  if (choice) applyChanges(choice.requestChanges, head.headers, info);
  applyChanges(route.requestChanges, head.headers, info);
  if (action.rewritesHost) {
    const authority = newAuthority(head, action, choice);
    if (authority !== undefined) rewriteHost(head, authority, action.config.append_x_forwarded_host, keepsOriginal);
  }
  if (action.rewritesPath) rewritePath(head, route, action, keepsOriginal);
}

/** How long a request may take, and when it is tried again: as the route says, or the request's own headers. */
export interface RequestLimits {
  readonly timeoutMs: number;
  readonly perTryTimeoutMs: number;
  readonly retry: RetryPolicy | undefined;
  /** A timeout is answered with 204. */
  readonly hidesTimeout: boolean;
}

function takeNumber(head: RequestHead, name: string): number | undefined {
  const value = head.headers.get(name);
  if (value === undefined) return undefined;
  head.headers.remove(name);
  return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

/** Takes the `x-envoy-…` headers that steer the router off a request, and gives what holds for it. */
export function takeLimits(head: RequestHead, { retry, config }: ForwardAction): RequestLimits {
  const applies = retry && appliesTo(retry, head) ? retry : undefined;
  // A route that limits the stream as a whole has no limit on the answer beside it.
  const routeMs = config.max_stream_duration ? 0 : config.timeout;
  if (!hasEnvoyHeader(head.headers)) {
    return limits(routeMs, retry?.perTryTimeoutMs ?? 0, applies, false);
  }
  const timeoutMs = takeNumber(head, 'x-envoy-upstream-rq-timeout-ms') ?? routeMs;
  const perTryMs = takeNumber(head, 'x-envoy-upstream-rq-per-try-timeout-ms') ?? retry?.perTryTimeoutMs ?? 0;
  const hidesTimeout = head.headers.has('x-envoy-upstream-rq-timeout-alt-response');
  if (hidesTimeout) head.headers.remove('x-envoy-upstream-rq-timeout-alt-response');
  const isFit = retry === undefined || applies !== undefined;
  const policy = steeredRetryPolicy(applies, head);
  return limits(timeoutMs, perTryMs, isFit ? policy : undefined, hidesTimeout);
}

/** A try that may take as long as all of them has no limit of its own. */
function limits(
  timeoutMs: number,
  perTryMs: number,
  retry: RetryPolicy | undefined,
  hidesTimeout: boolean,
): RequestLimits {
  return { timeoutMs, perTryTimeoutMs: timeoutMs > 0 && perTryMs >= timeoutMs ? 0 : perTryMs, retry, hidesTimeout };
}

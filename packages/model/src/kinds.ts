/**
 * The kinds of resources and what their `spec` holds once it is parsed: defaults filled in, durations in milliseconds,
 * header names in lower case. The schemas that make these of what users write stand in `@weft/policies`, one folder a
 * kind. Gateway API kinds follow https://gateway-api.sigs.k8s.io/reference/spec/ with a Service as parent (GAMMA).
 */

/** How a service is spoken to. */
export type ServiceProtocol = 'http' | 'tcp';

/** `Service` (`weft.mesh/v1`): declares a service, and says which workloads it is made of. */
export interface ServiceSpec {
  /** Labels that its workloads have; absent: the workloads that registered under its name. */
  readonly selector?: Readonly<Record<string, string>>;
  /** Absent: what its workloads speak. */
  readonly protocol?: ServiceProtocol;
  /** Service accounts of its namespace that may register as it, beside the one of its own name. */
  readonly serviceAccounts: readonly string[];
}

/** A service that a route names; without a namespace, of the route's own. */
export interface ServiceReference {
  readonly name: string;
  readonly namespace?: string;
}

/** Where a part of the requests or connections of a rule goes. */
export interface Backend extends ServiceReference {
  /** Its share, of the sum of the weights of the rule; 0: none. */
  readonly weight: number;
}

export type PathMatch =
  | { readonly type: 'Exact'; readonly value: string }
  /** By path elements: `/foo` matches `/foo` and `/foo/x`, and not `/foobar`. Never ends in `/`, but for `/` itself. */
  | { readonly type: 'PathPrefix'; readonly value: string }
  /** Of the whole path, in the syntax that RE2 and JavaScript share. */
  | { readonly type: 'RegularExpression'; readonly value: string };

/** Of a header (name in lower case) or query parameter; a regular expression is of the whole value. */
export interface ValueMatch {
  readonly name: string;
  readonly type: 'Exact' | 'RegularExpression';
  readonly value: string;
}

export interface HttpMatch {
  readonly path: PathMatch;
  readonly headers: readonly ValueMatch[];
  readonly queryParams: readonly ValueMatch[];
  readonly method?: string;
}

export interface HeaderValue {
  readonly name: string;
  readonly value: string;
}

/** What to do to headers: first `remove`, then `set`, then `add`. */
export interface HeaderChanges {
  readonly set: readonly HeaderValue[];
  readonly add: readonly HeaderValue[];
  readonly remove: readonly string[];
}

export type PathChange =
  | { readonly type: 'ReplaceFullPath'; readonly replaceFullPath: string }
  | { readonly type: 'ReplacePrefixMatch'; readonly replacePrefixMatch: string };

export interface Redirect {
  readonly scheme?: 'http' | 'https';
  readonly hostname?: string;
  readonly path?: PathChange;
  readonly port?: number;
  readonly statusCode: RedirectStatus;
}

export type RedirectStatus = 301 | 302 | 303 | 307 | 308;

export interface UrlRewrite {
  readonly hostname?: string;
  readonly path?: PathChange;
}

export type HttpFilter =
  | { readonly type: 'RequestHeaderModifier'; readonly requestHeaderModifier: HeaderChanges }
  | { readonly type: 'ResponseHeaderModifier'; readonly responseHeaderModifier: HeaderChanges }
  | { readonly type: 'RequestRedirect'; readonly requestRedirect: Redirect }
  | { readonly type: 'URLRewrite'; readonly urlRewrite: UrlRewrite };

export interface HttpRule {
  readonly name?: string;
  /** Any of them; never empty. */
  readonly matches: readonly HttpMatch[];
  /** At most one of a type. */
  readonly filters: readonly HttpFilter[];
  readonly backendRefs: readonly Backend[];
  readonly timeouts: {
    /** From the end of the request to the end of the answer, retries included; 0 and absent: no limit. */
    readonly requestMs?: number;
    /** The same of each try. */
    readonly backendRequestMs?: number;
  };
}

/** `HTTPRoute` (`gateway.networking.k8s.io/v1`). */
export interface HttpRouteSpec {
  readonly parentRefs: readonly ServiceReference[];
  readonly rules: readonly HttpRule[];
}

/** `TCPRoute` (`gateway.networking.k8s.io/v1alpha2`). */
export interface TcpRouteSpec {
  readonly parentRefs: readonly ServiceReference[];
  /** One rule; at least one backend has a weight. */
  readonly rules: readonly { readonly name?: string; readonly backendRefs: readonly Backend[] }[];
}

/** Every kind with its spec. A kind that is added here does not compile until each table of kinds has it. */
export interface Specs {
  readonly Service: ServiceSpec;
  readonly HTTPRoute: HttpRouteSpec;
  readonly TCPRoute: TcpRouteSpec;
}

export type Kind = keyof Specs;

/** Lets requests through that bring the tokens they need (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/jwt_authn_filter). */
import { requestField } from '../../access-log/operators.ts';
import type { RouteMatchConfig } from '../../config/route-match.ts';
import type { RequestHead } from '../../http/message.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { compileConditions, compilePath, pathOnly } from '../../stack/route-match.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';
import type { FilterContext, FilteredRequest, FilterVerdict, HttpFilter } from '../filter.ts';
import { Provider } from './provider.ts';
import { compileRequirement, Examination, type Requirement } from './requirement.ts';
import type { JwtAuthenticationConfig } from './schema.ts';
import { type JwtStats, jwtStats } from './stats.ts';
import { type JwtStatus, statusText } from './status.ts';

/** Under which other filters and logs find what tokens say. */
const METADATA = 'envoy.filters.http.jwt_authn';

/** Of the path that the answer to a request without a good token names. */
const MAX_REALM_PATH = 256;

type Matches = (head: RequestHead, info: StreamInfo) => boolean;

function compileMatch(match: RouteMatchConfig, runtime: Runtime): Matches {
  const path = compilePath(match);
  const conditions = compileConditions(match, runtime);
  return (head, info) => {
    const isConnect = head.method === 'CONNECT';
    if (match.connect_matcher ? !isConnect : !path.test(pathOnly(head.path))) return false;
    return conditions === undefined || conditions(head, info);
  };
}

interface Rule {
  readonly matches: Matches;
  /** Undefined: the request needs nothing. */
  readonly requirement: Requirement | undefined;
}

function details(text: string): string {
  return `jwt_authn_access_denied{${text.replaceAll(/\s/g, '_')}}`;
}

function isCorsPreflight({ method, headers }: RequestHead): boolean {
  return method === 'OPTIONS' && !!headers.get('origin') && !!headers.get('access-control-request-method');
}

class JwtAuthn implements HttpFilter {
  readonly #config: JwtAuthenticationConfig;
  readonly #stats: JwtStats;
  readonly #providers: ReadonlyMap<string, Provider>;
  readonly #rules: readonly Rule[];
  readonly #named: ReadonlyMap<string, Requirement>;
  /** Fields that say what a token said: from a client they are lies. */
  readonly #ownFields: ReadonlySet<string>;

  constructor(config: JwtAuthenticationConfig, filter: FilterContext) {
    const stats = jwtStats(filter.stats, filter.statPrefix, config.stat_prefix);
    this.#config = config;
    this.#stats = stats;
    this.#providers = new Map(
      [...config.providers].map(([name, provider]) => [name, new Provider(provider, filter, stats)]),
    );
    this.#ownFields = new Set([...this.#providers.values()].flatMap(({ ownFields }) => ownFields));
    const context = { providers: this.#providers, stats, clock: filter.clock };
    const named = new Map(
      [...config.requirement_map].map(([name, requirement]) => [name, compileRequirement(requirement, context)]),
    );
    this.#named = named;
    this.#rules = config.rules.map(({ match, requires, requirement_name: name }) => ({
      matches: compileMatch(match, filter.runtime),
      requirement: requires ? compileRequirement(requires, context) : named.get(name ?? ''),
    }));
  }

  onRequest(request: FilteredRequest, levels: Parameters<HttpFilter['onRequest']>[1]): FilterVerdict {
    const { head } = request;
    // Whatever lets the request pass: who believes these fields believes this filter.
    if (this.#ownFields.size > 0) head.headers.removeWhere((field) => this.#ownFields.has(field));
    if (this.#config.bypass_cors_preflight && isCorsPreflight(head)) {
      this.#stats.cors_preflight_bypassed++;
      this.#stats.allowed++;
      return 'pass';
    }
    const level = levels.at(-1);
    const name = level?.type === 'jwt' ? level.value.requirement_name : undefined;
    if (level?.type === 'jwt' && name === undefined) return this.#allow();
    const requirement = name === undefined ? this.#ruleOf(request)?.requirement : this.#named.get(name);
    if (name !== undefined && !requirement) return this.#refuseName(request, name);
    return requirement ? this.#examine(request, requirement) : this.#allow();
  }

  #ruleOf({ head, info }: FilteredRequest): Rule | undefined {
    return this.#rules.find(({ matches }) => matches(head, info));
  }

  #allow(): FilterVerdict {
    this.#stats.allowed++;
    return 'pass';
  }

  #examine(request: FilteredRequest, requirement: Requirement): FilterVerdict {
    const realm = realmOf(request.head);
    const examination = new Examination(request.head);
    const outcome = requirement.examine(examination);
    if (typeof outcome === 'string') return this.#finish(request, examination, outcome, realm);
    let isOver = false;
    request.onEnd(() => {
      isOver = true;
    });
    void outcome.then((status) => {
      if (!isOver && this.#finish(request, examination, status, realm) === 'pass') request.resume();
    });
    return 'stop';
  }

  #finish(request: FilteredRequest, examination: Examination, status: JwtStatus, realm: string): FilterVerdict {
    if (examination.metadata) request.info.addMetadata(METADATA, examination.metadata);
    if (examination.clearsRoute) request.chooseRouteAgain();
    if (status === 'ok') return this.#allow();
    this.#stats.denied++;
    const text = statusText(status);
    const isBare = this.#config.strip_failure_response;
    const error = status === 'missing' ? '' : ', error="invalid_token"';
    request.answer({
      status: status === 'audience-not-allowed' ? 403 : 401,
      body: isBare ? '' : text,
      flags: 0,
      details: details(text),
      headers: isBare ? [] : [['www-authenticate', `Bearer realm="${realm}"${error}`]],
    });
    return 'stop';
  }

  /** A route asks for something that this filter does not know. */
  #refuseName(request: FilteredRequest, name: string): FilterVerdict {
    this.#stats.denied++;
    const names = [...this.#named.keys()].sort().join(',');
    const text = `Wrong requirement_name: ${name}. It should be one of [${names}]`;
    const body = this.#config.strip_failure_response ? '' : `Failed JWT authentication: ${text}`;
    request.answer({ status: 403, body, flags: 0, details: details(text) });
    return 'stop';
  }

  close(): void {
    for (const provider of this.#providers.values()) provider.keys.close();
  }
}

/** What was asked for, as the answer names it. */
function realmOf(head: RequestHead): string {
  return `${requestField(head, ':scheme')}://${head.authority}${head.path.slice(0, MAX_REALM_PATH)}`;
}

/** A filter that answers 401, or 403, to requests without the tokens that its rules ask for. */
export function makeJwtAuthn(config: JwtAuthenticationConfig, context: FilterContext): HttpFilter {
  return new JwtAuthn(config, context);
}

/** What requests must bring, compiled: each requirement looks at a request and says at once, or later, what came of it. */
import type { Clock } from '../../clock.ts';
import type { RequestHead } from '../../http/message.ts';
import type { KeySet } from './jwks.ts';
import { type Jwt, parseJwt } from './jwt.ts';
import { type FoundToken, findTokens, isIssuerOf, locationsOf, removeToken } from './locations.ts';
import { type AudienceSet, audienceSet, type Provider } from './provider.ts';
import type { RequirementConfig } from './schema.ts';
import type { JwtStats } from './stats.ts';
import { type JwtStatus, statusMetadata } from './status.ts';
import { verifySignature } from './verify.ts';

/** Later only where keys must be fetched first. */
export type Outcome = JwtStatus | Promise<JwtStatus>;

/** A request whose tokens are looked at. */
export class Examination {
  readonly head: RequestHead;
  /** What is told in metadata; undefined where nothing is. */
  metadata: Record<string, unknown> | undefined;
  /** Whether tokens that were good said something in fields of the head. */
  hasFields = false;
  /** Whether the route is to be chosen again. */
  clearsRoute = false;

  constructor(head: RequestHead) {
    this.head = head;
  }

  addMetadata(name: string, value: unknown): void {
    if (name === '') return;
    this.metadata ??= {};
    this.metadata[name] = value;
  }
}

export interface Requirement {
  examine(examination: Examination): Outcome;
}

/** What requirements are compiled with. */
export interface RequirementContext {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly stats: JwtStats;
  readonly clock: Clock;
}

function then(outcome: Outcome, next: (status: JwtStatus) => Outcome): Outcome {
  return typeof outcome === 'string' ? next(outcome) : outcome.then(next);
}

/** Providers by the issuers that they speak for; '' speaks for all that nobody else does. */
function byIssuer(providers: Iterable<Provider>): (issuer: string) => Provider | undefined {
  const found = new Map<string, Provider>();
  for (const provider of providers) {
    const { issuer } = provider.config;
    if (!found.has(issuer)) found.set(issuer, provider);
  }
  return (issuer) => found.get(issuer) ?? found.get('');
}

interface TokensOptions {
  readonly context: RequirementContext;
  /** Whose places are looked at. */
  readonly from: readonly Provider[];
  /** Whose tokens are taken; undefined: those of whoever the issuer is. */
  readonly provider: Provider | undefined;
  /** In place of those of the provider. */
  readonly audiences?: AudienceSet;
  readonly allowsMissing?: boolean;
  /** Whether it is one of several requirements: that there is no token is told of the whole alone, then. */
  readonly isPart?: boolean;
  readonly allowsFailed?: boolean;
}

/**
 * All tokens in some places must be good: one that is bad beside one that is good could be the one that the application
 * believes. The last one found is looked at first, as in Envoy, which decides what is told of several bad ones.
 */
class Tokens implements Requirement {
  readonly #options: TokensOptions;
  readonly #locations: ReturnType<typeof locationsOf>;
  readonly #ofIssuer: (issuer: string) => Provider | undefined;
  readonly #ownFields: ReadonlySet<string>;

  constructor(options: TokensOptions) {
    this.#options = options;
    this.#locations = locationsOf(options.from.map(({ config }) => config));
    this.#ofIssuer = byIssuer(options.context.providers.values());
    this.#ownFields = new Set(options.provider?.ownFields);
  }

  examine(examination: Examination): Outcome {
    // A field speaks of one requirement's tokens: where several share it, of the last one's, as in Envoy.
    if (examination.hasFields) examination.head.headers.removeWhere((field) => this.#ownFields.has(field));
    const tokens = findTokens(this.#locations, examination.head);
    if (tokens.length === 0) {
      const { provider, allowsMissing = false, isPart = false } = this.#options;
      if (allowsMissing) return 'ok';
      if (isPart) return 'missing';
      return this.#failed('missing', provider, examination);
    }
    return this.#next(tokens, tokens.length - 1, examination);
  }

  #next(tokens: readonly FoundToken[], index: number, examination: Examination): Outcome {
    const token = tokens[index];
    if (!token) return 'ok';
    return then(this.#examineToken(token, examination), (status) => {
      if (status !== 'ok' && !this.#options.allowsFailed) return status;
      return this.#next(tokens, index - 1, examination);
    });
  }

  #failed(status: JwtStatus, provider: Provider | undefined, examination: Examination): JwtStatus {
    if (provider) examination.addMetadata(provider.config.failed_status_in_metadata, statusMetadata(status));
    return status;
  }

  #examineToken(token: FoundToken, examination: Examination): Outcome {
    const { provider: named, audiences, context } = this.#options;
    const cached = named && this.#cached(token, named);
    const jwt = cached ?? parseJwt(token.text);
    if (typeof jwt === 'string') return this.#failed(jwt, named, examination);
    if (!isIssuerOf(token, jwt.issuer)) return this.#failed('unknown-issuer', named, examination);
    const provider = named ?? this.#ofIssuer(jwt.issuer);
    if (!provider) return 'unknown-issuer';
    const checked = provider.check(jwt, Math.floor(context.clock.wallMs() / 1000), audiences);
    if (checked !== 'ok') {
      if (cached && checked === 'expired') provider.cache?.delete(token.text);
      return this.#failed(checked, provider, examination);
    }
    if (cached) return this.#good(token, cached, provider, examination);
    const { current } = provider.keys;
    if (current) return this.#verified(token, jwt, provider, current, examination);
    return provider.keys.fetch().then((keys) => {
      if (!keys) return this.#failed('fetch-fail', provider, examination);
      return this.#verified(token, jwt, provider, keys, examination);
    });
  }

  #cached({ text }: FoundToken, { cache, keys }: Provider): Jwt | undefined {
    const { stats } = this.#options.context;
    const found = cache?.get(text, keys.current);
    if (found) stats.jwt_cache_hit++;
    else stats.jwt_cache_miss++;
    return found;
  }

  #verified(token: FoundToken, jwt: Jwt, provider: Provider, keys: KeySet, examination: Examination): JwtStatus {
    const status = verifySignature(jwt, keys);
    if (status !== 'ok') return this.#failed(status, provider, examination);
    if (this.#options.provider) provider.cache?.set(token.text, jwt, keys);
    return this.#good(token, jwt, provider, examination);
  }

  #good(token: FoundToken, jwt: Jwt, provider: Provider, examination: Examination): JwtStatus {
    const { config } = provider;
    provider.addFields(jwt, examination.head);
    examination.hasFields = true;
    if (!config.forward) removeToken(token, examination.head);
    examination.addMetadata(config.header_in_metadata, jwt.header);
    if (config.payload_in_metadata !== '') {
      examination.addMetadata(config.payload_in_metadata, provider.payloadMetadata(jwt));
    }
    if (config.clear_route_cache) examination.clearsRoute = true;
    return 'ok';
  }
}

/** How much a failure says, where several requirements failed: that a token is missing says least, the last one most. */
function weight(status: JwtStatus): number {
  if (status === 'missing') return 0;
  return status === 'unknown-issuer' ? 1 : 2;
}

/** One is enough: they are tried in order. */
function anyOf(requirements: readonly Requirement[]): Requirement {
  const next = (index: number, worst: JwtStatus, examination: Examination): Outcome => {
    const requirement = requirements[index];
    if (!requirement) return worst;
    return then(requirement.examine(examination), (status) => {
      if (status === 'ok') return 'ok';
      return next(index + 1, weight(status) >= weight(worst) ? status : worst, examination);
    });
  };
  return { examine: (examination) => next(0, 'missing', examination) };
}

function allOf(requirements: readonly Requirement[]): Requirement {
  const next = (index: number, examination: Examination): Outcome => {
    const requirement = requirements[index];
    if (!requirement) return 'ok';
    return then(requirement.examine(examination), (status) =>
      status === 'ok' ? next(index + 1, examination) : status,
    );
  };
  return { examine: (examination) => next(0, examination) };
}

function isBypass({ type }: RequirementConfig): boolean {
  return type === 'allow-missing' || type === 'allow-missing-or-failed';
}

/** What lets requests through without a token, or with a bad one, comes last, and looks at the places of the others. */
function compileAny(of: readonly RequirementConfig[], context: RequirementContext): Requirement {
  const regular = of.filter((part) => !isBypass(part));
  const bypass =
    of.find(({ type }) => type === 'allow-missing-or-failed') ?? of.find(({ type }) => type === 'allow-missing');
  const named = regular.flatMap((part) => (part.type === 'provider' ? [part.provider] : []));
  return anyOf([
    ...regular.map((part) => compileRequirement(part, context, [], true)),
    ...(bypass ? [compileRequirement(bypass, context, named)] : []),
  ]);
}

/**
 * `beside`: providers whose places count for what lets requests through; all of them where there are none.
 * `isPart`: it is one of several requirements.
 */
export function compileRequirement(
  config: RequirementConfig,
  context: RequirementContext,
  beside: readonly string[] = [],
  isPart = false,
): Requirement {
  const { providers } = context;
  switch (config.type) {
    case 'nothing':
      return { examine: () => 'ok' };
    case 'provider': {
      const provider = providers.get(config.provider) as Provider;
      const audiences = config.audiences.length === 0 ? undefined : audienceSet(config.audiences);
      return new Tokens({ context, from: [provider], provider, isPart, ...(audiences ? { audiences } : {}) });
    }
    case 'any':
      return compileAny(config.of, context);
    case 'all':
      return allOf(config.of.map((part) => compileRequirement(part, context, [], true)));
    case 'allow-missing':
    case 'allow-missing-or-failed': {
      const names = beside.length === 0 ? [...providers.keys()] : beside;
      const from = names.map((name) => providers.get(name) as Provider);
      const allowsFailed = config.type === 'allow-missing-or-failed';
      return new Tokens({ context, from, provider: undefined, allowsMissing: true, allowsFailed });
    }
  }
}

/**
 * Asks a service whether a request may go on, and does with it what the service says
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/ext_authz_filter).
 */
import type { RouteFilterConfig } from '../../config/filters.ts';
import type { LocalReply } from '../../stack/local-reply.ts';
import { clusterOf } from '../../stack/rate-limit-actions.ts';
import { FLAG } from '../../stack/response-flags.ts';
import { isChangeable } from '../changeable-field.ts';
import type { FilterContext, FilteredRequest, FilterVerdict, HttpFilter } from '../filter.ts';
import { countStatus } from '../router/upstream-attempt.ts';
import { areValid, changeRequest, changeResponse, isValid } from './apply.ts';
import type { CheckedBody } from './check-request.ts';
import { grpcAuthorization } from './grpc-service.ts';
import { httpAuthorization } from './http-service.ts';
import type { BufferSettings, CheckSettings, ExtAuthzConfig, HttpServiceConfig } from './schema.ts';
import type { AuthorizationService } from './service.ts';
import { type ExtAuthzStats, extAuthzClusterStats, extAuthzStats } from './stats.ts';
import { type Failed, type FieldPair, NO_ANSWER, type Verdict } from './verdict.ts';

const NAME = 'envoy.filters.http.ext_authz';
const DEFAULT_STATUS_ON_ERROR = 403;

const TOO_LARGE: LocalReply = {
  status: 413,
  body: 'Payload Too Large',
  flags: 0,
  details: 'request_payload_too_large',
};

/** What holds for requests of one route. */
interface Settings {
  readonly isDisabled: boolean;
  readonly body: BufferSettings | undefined;
  readonly extensions: Readonly<Record<string, string>> | undefined;
}

type Counted = 'ok' | 'denied' | 'error' | 'failure_mode_allowed';

class ExtAuthz implements HttpFilter {
  readonly #config: ExtAuthzConfig;
  readonly #context: FilterContext;
  readonly #service: AuthorizationService;
  readonly #stats: ExtAuthzStats;
  /** By what routes say of the filter. */
  readonly #settings = new WeakMap<readonly RouteFilterConfig[], Settings>();

  constructor(config: ExtAuthzConfig, context: FilterContext) {
    this.#config = config;
    this.#context = context;
    const { grpc_service: target } = config;
    this.#service = target
      ? grpcAuthorization(config, target, context)
      : httpAuthorization(config, config.http_service as HttpServiceConfig, context);
    this.#stats = extAuthzStats(context.stats, context.statPrefix, config.stat_prefix);
  }

  onRequest(request: FilteredRequest, levels: readonly RouteFilterConfig[]): FilterVerdict {
    if (!request.route) return 'pass';
    const settings = this.#settingsOf(levels);
    if (settings.isDisabled) return 'pass';
    const { filter_enabled: share, deny_at_disable: deny } = this.#config;
    const { runtime } = this.#context;
    if (share && !runtime.isEnabled(share)) {
      this.#stats.disabled++;
      if (!deny || !runtime.isOn(deny)) return 'pass';
      this.#refuse(request, NO_ANSWER);
      return 'stop';
    }
    const { body } = settings;
    const { head } = request;
    if (!body || request.isComplete || head.upgrade !== undefined || head.method === 'CONNECT') {
      void this.#check(request, undefined, settings);
      return 'stop';
    }
    request.holdBody(body.max_request_bytes, (held) => {
      const isPartial = held.type === 'partial';
      if (isPartial && !body.allow_partial_message) {
        request.answer(TOO_LARGE);
        return;
      }
      const bytes = held.bytes.subarray(0, body.max_request_bytes);
      void this.#check(request, { bytes, isPartial, settings: body }, settings);
    });
    return 'stop';
  }

  #settingsOf(levels: readonly RouteFilterConfig[]): Settings {
    const known = this.#settings.get(levels);
    if (known) return known;
    const own = levels.flatMap((level) => (level.type === 'ext-authz' ? [level.value] : []));
    const last = own.at(-1);
    const extensions = Object.assign({}, ...own.map((level) => extensionsOf(level.check_settings))) as object;
    const settings: Settings = {
      isDisabled: last?.disabled ?? false,
      body: last?.check_settings?.disable_request_body_buffering
        ? undefined
        : (last?.check_settings?.with_request_body ?? this.#config.with_request_body),
      extensions: Object.keys(extensions).length === 0 ? undefined : { ...extensions },
    };
    this.#settings.set(levels, settings);
    return settings;
  }

  async #check(request: FilteredRequest, body: CheckedBody | undefined, { extensions }: Settings): Promise<void> {
    const abort = new AbortController();
    request.onEnd(() => abort.abort());
    const { clock, log } = this.#context;
    const startMs = clock.monotonicMs();
    let verdict: Verdict;
    try {
      verdict = await this.#service.check(request, body, extensions, abort.signal);
    } catch (error) {
      log.debug({ error: (error as Error).message }, 'the authorization service gave no answer');
      verdict = NO_ANSWER;
    }
    if (abort.signal.aborted) return;
    const { metadata } = verdict;
    if (metadata && Object.keys(metadata).length > 0) {
      const tookMs = Math.floor(clock.monotonicMs() - startMs);
      const duration = verdict.type === 'ok' ? { ext_authz_duration: tookMs } : {};
      request.info.addMetadata(NAME, { ...metadata, ...duration });
    }
    this.#act(request, verdict);
  }

  #act(request: FilteredRequest, verdict: Verdict): void {
    switch (verdict.type) {
      case 'ok': {
        if (this.#config.validate_mutations && !isValid(verdict)) {
          this.#reject(request);
          return;
        }
        const { response } = verdict;
        if (response.length > 0) request.onResponse(({ headers }) => changeResponse(headers, response));
        // Of the cluster that the request was on its way to, wherever it leads from here on.
        this.#count(request, 'ok');
        if (changeRequest(request.head, verdict) && this.#config.clear_route_cache) request.chooseRouteAgain();
        request.resume();
        return;
      }
      case 'denied': {
        const { status, headers, body } = verdict;
        if (this.#config.validate_mutations && !areValid(headers)) {
          this.#reject(request);
          return;
        }
        this.#count(request, 'denied');
        this.#charge(request, status);
        const reply = { status, body, flags: FLAG.UAEX, details: 'ext_authz_denied' };
        request.answer({ ...reply, headers: headers.filter(isAnswerField) });
        return;
      }
      case 'error': {
        this.#count(request, 'error');
        if (!this.#config.failure_mode_allow) {
          this.#refuse(request, verdict);
          return;
        }
        this.#count(request, 'failure_mode_allowed');
        if (this.#config.failure_mode_allow_header_add) {
          request.head.headers.set('x-envoy-auth-failure-mode-allowed', 'true');
        }
        request.resume();
      }
    }
  }

  /** The service asks for something that no message can hold. */
  #reject(request: FilteredRequest): void {
    this.#stats.invalid++;
    request.answer({ status: 500, body: '', flags: FLAG.UAEX, details: 'ext_authz_invalid' });
  }

  #refuse(request: FilteredRequest, { status, headers, body }: Failed): void {
    request.answer({
      status: status ?? this.#config.status_on_error ?? DEFAULT_STATUS_ON_ERROR,
      body,
      flags: FLAG.UAEX,
      details: 'ext_authz_error',
      headers: headers.filter(isAnswerField),
    });
  }

  #count(request: FilteredRequest, what: Counted): void {
    this.#stats[what]++;
    const cluster = clusterOf(request);
    if (cluster === '' || !this.#context.findCluster(cluster)) return;
    extAuthzClusterStats(this.#context.stats, cluster, this.#config.stat_prefix)[what]++;
  }

  /** What is answered in a cluster's place counts as an answer of it. */
  #charge(request: FilteredRequest, status: number): void {
    const cluster = this.#config.charge_cluster_response_stats
      ? this.#context.findCluster(clusterOf(request))
      : undefined;
    if (cluster) countStatus(cluster, status, 'internal');
  }
}

const isAnswerField = ([name]: FieldPair): boolean => isChangeable(name);

function extensionsOf(settings: CheckSettings | undefined): Readonly<Record<string, string>> {
  return settings ? Object.fromEntries(settings.context_extensions) : {};
}

/** A filter that lets an authorization service decide over each request. */
export function makeExtAuthz(config: ExtAuthzConfig, context: FilterContext): HttpFilter {
  return new ExtAuthz(config, context);
}

/** Changes fields of requests and responses, and the query (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/header_mutation_filter). */
import type { RouteFilterConfig } from '../../config/filters.ts';
import type { HeaderList } from '../../http/header-list.ts';
import type { ResponseHead } from '../../http/message.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';
import type { FilteredRequest, FilterVerdict, HttpFilter } from '../filter.ts';
import { applyMutations } from './mutate.ts';
import { mutateQuery } from './query.ts';
import type { HeaderMutationConfig, Mutations } from './schema.ts';

function mutateRequest({ head, info }: FilteredRequest, { request, query }: Mutations): void {
  applyMutations(request, head.headers, info);
  if (query.length > 0 && head.path !== '') head.path = mutateQuery(head.path, query, info);
}

class HeaderMutation implements HttpFilter {
  readonly #config: HeaderMutationConfig;

  constructor(config: HeaderMutationConfig) {
    this.#config = config;
  }

  /** What routes say, in the order in which it is done; what the filter says itself comes before. */
  #ordered(levels: readonly RouteFilterConfig[]): readonly RouteFilterConfig[] {
    return levels.length < 2 || this.#config.isSpecificLast ? levels : levels.toReversed();
  }

  onRequest(request: FilteredRequest, levels: readonly RouteFilterConfig[]): FilterVerdict {
    const { own } = this.#config;
    const { info } = request;
    mutateRequest(request, own);
    let changesResponse = own.response.length > 0;
    let changesTrailers = own.requestTrailers.length + own.responseTrailers.length > 0;
    for (const level of this.#ordered(levels)) {
      if (level.type !== 'header-mutation') continue;
      const { response, requestTrailers, responseTrailers } = level.value;
      mutateRequest(request, level.value);
      changesResponse ||= response.length > 0;
      changesTrailers ||= requestTrailers.length + responseTrailers.length > 0;
    }
    if (changesResponse) request.onResponse((response) => this.onEarlyAnswer(request, levels, response));
    if (changesTrailers) {
      request.onRequestTrailers((trailers) => this.#mutate('requestTrailers', trailers, info, levels));
      request.onResponseTrailers((trailers) => this.#mutate('responseTrailers', trailers, info, levels));
    }
    return 'pass';
  }

  onEarlyAnswer({ info }: FilteredRequest, levels: readonly RouteFilterConfig[], { headers }: ResponseHead): void {
    this.#mutate('response', headers, info, levels);
  }

  /** The filter's own changes, then those of all levels. */
  #mutate(
    what: 'response' | 'requestTrailers' | 'responseTrailers',
    headers: HeaderList,
    info: StreamInfo,
    levels: readonly RouteFilterConfig[],
  ): void {
    applyMutations(this.#config.own[what], headers, info);
    for (const level of this.#ordered(levels)) {
      if (level.type === 'header-mutation') applyMutations(level.value[what], headers, info);
    }
  }
}

/** A filter that makes the same changes to every message. */
export function makeHeaderMutation(config: HeaderMutationConfig): HttpFilter {
  return new HeaderMutation(config);
}

/** Changes fields of requests and responses, and the query (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/header_mutation_filter). */
import type { RouteFilterConfig } from '../../config/filters.ts';
import type { HeaderList } from '../../http/header-list.ts';
import type { ResponseHead } from '../../http/message.ts';
import { applyAddition } from '../../stack/header-changes.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';
import type { FilteredRequest, FilterVerdict, HttpFilter } from '../filter.ts';
import { mutateQuery } from './query.ts';
import type { FieldMutation, HeaderMutationConfig, Mutations } from './schema.ts';

function mutate(headers: HeaderList, mutations: readonly FieldMutation[], info: StreamInfo): void {
  for (const mutation of mutations) {
    switch (mutation.type) {
      case 'add':
        applyAddition(mutation.addition, headers, info);
        break;
      case 'remove':
        headers.remove(mutation.name);
        break;
      case 'remove-matching':
        headers.removeWhere((name) => mutation.matches(name));
    }
  }
}

function mutateRequest({ head, info }: FilteredRequest, { request, query }: Mutations): void {
  mutate(head.headers, request, info);
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
    mutateRequest(request, own);
    let changesResponse = own.response.length > 0;
    for (const level of this.#ordered(levels)) {
      if (level.type !== 'header-mutation') continue;
      mutateRequest(request, level.value);
      changesResponse ||= level.value.response.length > 0;
    }
    if (changesResponse) request.onResponse((response) => this.onEarlyAnswer(request, levels, response));
    return 'pass';
  }

  onEarlyAnswer({ info }: FilteredRequest, levels: readonly RouteFilterConfig[], head: ResponseHead): void {
    mutate(head.headers, this.#config.own.response, info);
    for (const level of this.#ordered(levels)) {
      if (level.type === 'header-mutation') mutate(head.headers, level.value.response, info);
    }
  }
}

/** A filter that makes the same changes to every message. */
export function makeHeaderMutation(config: HeaderMutationConfig): HttpFilter {
  return new HeaderMutation(config);
}

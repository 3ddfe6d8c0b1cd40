/** Schemas of the header mutation filter; what they give is ready for use. */
import { compileText, type Format } from '../../access-log/format.ts';
import {
  type HeaderAddition,
  type HeaderAppendAction,
  headerAddition,
  headerName,
  stringMatcher,
  type TextPredicate,
} from '../../config/core.ts';
import {
  built,
  choice,
  flag,
  list,
  message,
  name,
  optional,
  type Place,
  required,
  type Schema,
  text,
  whole,
} from '../../config/schema.ts';

/** One change of the fields of a message. */
export type FieldMutation =
  | { readonly type: 'add'; readonly addition: HeaderAddition }
  | { readonly type: 'remove'; readonly name: string }
  | { readonly type: 'remove-matching'; readonly matches: TextPredicate };

/** One change of the query. */
export type QueryMutation =
  | { readonly type: 'add'; readonly key: string; readonly value: Format; readonly action: HeaderAppendAction }
  | { readonly type: 'remove'; readonly key: string };

const MUTATION = 'envoy.config.common.mutation_rules.v3.HeaderMutation';

const removeOnMatch = message(`${MUTATION}.RemoveOnMatch`, { key_matcher: required(stringMatcher) });

function checkOne(fields: Readonly<Record<string, unknown>>, place: Place): void {
  const given = Object.values(fields).filter((value) => value !== undefined);
  if (given.length !== 1) place.refuse(`needs one of ${Object.keys(fields).join(', ')}`);
}

/** One change of the fields of a message: what to add, or what to take away. */
export const fieldMutation: Schema<FieldMutation> = built(
  message(
    MUTATION,
    { append: optional(headerAddition), remove: optional(headerName), remove_on_match: optional(removeOnMatch) },
    checkOne,
  ),
  ({ append: addition, remove, remove_on_match }): FieldMutation => {
    if (addition) return { type: 'add', addition };
    if (remove_on_match) return { type: 'remove-matching', matches: remove_on_match.key_matcher };
    return { type: 'remove', name: remove ?? '' };
  },
);

const record = built(message('envoy.config.core.v3.KeyValuePair', { key: name(), value: whole() }), (given, place) => {
  if (typeof given.value !== 'string') place.within('value', () => place.refuse('must be a text'));
  const value = place.within('value', () => compileText(String(given.value), '', (problem) => place.refuse(problem)));
  return { key: given.key, value };
});

const keyValueAppend = message('envoy.config.core.v3.KeyValueAppend', {
  record: required(record),
  action: choice(['APPEND_IF_EXISTS_OR_ADD', 'ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS_OR_ADD', 'OVERWRITE_IF_EXISTS']),
});

const queryMutation = built(
  message(
    'envoy.config.core.v3.KeyValueMutation',
    { append: optional(keyValueAppend), remove: text() },
    ({ append, remove }, place) => checkOne({ append, remove: remove || undefined }, place),
  ),
  ({ append, remove }): QueryMutation => {
    if (!append) return { type: 'remove', key: remove };
    return { type: 'add', ...append.record, action: append.action };
  },
);

const mutations = message('envoy.extensions.filters.http.header_mutation.v3.Mutations', {
  request_mutations: list(fieldMutation),
  query_parameter_mutations: list(queryMutation),
  response_mutations: list(fieldMutation),
  request_trailers_mutations: list(fieldMutation),
  response_trailers_mutations: list(fieldMutation),
});

/** What one level asks for. */
export interface Mutations {
  readonly request: readonly FieldMutation[];
  readonly query: readonly QueryMutation[];
  readonly response: readonly FieldMutation[];
  readonly requestTrailers: readonly FieldMutation[];
  readonly responseTrailers: readonly FieldMutation[];
}

const NONE: Mutations = { request: [], query: [], response: [], requestTrailers: [], responseTrailers: [] };

const levelOf = built(
  mutations,
  (given): Mutations => ({
    request: given.request_mutations,
    query: given.query_parameter_mutations,
    response: given.response_mutations,
    requestTrailers: given.request_trailers_mutations,
    responseTrailers: given.response_trailers_mutations,
  }),
);

export interface HeaderMutationConfig {
  readonly own: Mutations;
  /** Whether what routes say comes after what their virtual hosts say, and so has the last word. */
  readonly isSpecificLast: boolean;
}

export const headerMutationFilter = built(
  message('envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
    mutations: optional(levelOf),
    most_specific_header_mutations_wins: flag(),
  }),
  (given): HeaderMutationConfig => ({
    own: given.mutations ?? NONE,
    isSpecificLast: given.most_specific_header_mutations_wins,
  }),
);

export const headerMutationPerRoute = built(
  message('envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute', { mutations: optional(levelOf) }),
  (given): Mutations => given.mutations ?? NONE,
);

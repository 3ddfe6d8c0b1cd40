/** Changes of headers in Envoy's words. */
import type { HeaderValueOption, Route } from '@weft/envoy-api';
import type { HeaderChanges, HeaderValue, HttpFilter } from '@weft/model';

type Action = NonNullable<HeaderValueOption['append_action']>;

function option({ name, value }: HeaderValue, action: Action): HeaderValueOption {
  // Values are formats in which "%" begins an operator; the author's are plain text.
  return {
    header: { key: name, value: value.replaceAll('%', '%%') },
    append_action: action,
    ...(value === '' ? { keep_empty_value: true } : {}),
  };
}

function additions({ set, add }: HeaderChanges): HeaderValueOption[] {
  return [
    ...set.map((header) => option(header, 'OVERWRITE_IF_EXISTS_OR_ADD')),
    ...add.map((header) => option(header, 'APPEND_IF_EXISTS_OR_ADD')),
  ];
}

type HeaderFields = Pick<
  Route,
  'request_headers_to_add' | 'request_headers_to_remove' | 'response_headers_to_add' | 'response_headers_to_remove'
>;

/** The changes of headers that a rule's filters ask for. */
export function headerFields(filters: readonly HttpFilter[]): HeaderFields {
  const fields: { -readonly [K in keyof HeaderFields]: HeaderFields[K] } = {};
  for (const filter of filters) {
    if (filter.type === 'RequestHeaderModifier') {
      const changes = filter.requestHeaderModifier;
      if (changes.set.length + changes.add.length > 0) fields.request_headers_to_add = additions(changes);
      if (changes.remove.length > 0) fields.request_headers_to_remove = changes.remove;
    } else if (filter.type === 'ResponseHeaderModifier') {
      const changes = filter.responseHeaderModifier;
      if (changes.set.length + changes.add.length > 0) fields.response_headers_to_add = additions(changes);
      if (changes.remove.length > 0) fields.response_headers_to_remove = changes.remove;
    }
  }
  return fields;
}

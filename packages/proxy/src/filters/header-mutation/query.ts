/**
 * Changes of the query of a path. Parameters that are not changed stay as they were written: Envoy writes all of them anew,
 * undone of their escapes and sorted, so that `%26` in one becomes the border of two.
 */
import { percentDecoded } from '../../http/percent.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';
import type { QueryMutation } from './schema.ts';

/** A name with its escapes undone, as the upstream reads it: a parameter must not escape its removal by an escape. */
function nameOf(parameter: string): string {
  const equals = parameter.indexOf('=');
  return percentDecoded(equals === -1 ? parameter : parameter.slice(0, equals));
}

const UNRESERVED = /[A-Za-z0-9\-_.~]/;

/** Text with one character for each byte, with everything escaped that is not unreserved (RFC 3986, 2.3). */
function escaped(text: string): string {
  let result = '';
  for (const character of text) {
    const code = character.charCodeAt(0);
    result += UNRESERVED.test(character) ? character : `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return result;
}

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function apply(parameters: readonly string[], mutation: QueryMutation, info: StreamInfo): readonly string[] {
  const key = latin1(mutation.key);
  const isIt = (parameter: string): boolean => nameOf(parameter) === key;
  if (mutation.type === 'remove') return parameters.filter((parameter) => !isIt(parameter));
  const at = parameters.findIndex(isIt);
  const added = `${escaped(key)}=${escaped(mutation.value(info))}`;
  switch (mutation.action) {
    case 'APPEND_IF_EXISTS_OR_ADD':
      return [...parameters, added];
    case 'ADD_IF_ABSENT':
      return at === -1 ? [...parameters, added] : parameters;
    case 'OVERWRITE_IF_EXISTS':
      if (at === -1) return parameters;
      break;
    case 'OVERWRITE_IF_EXISTS_OR_ADD':
      if (at === -1) return [...parameters, added];
  }
  const others = parameters.slice(at + 1).filter((parameter) => !isIt(parameter));
  return [...parameters.slice(0, at), added, ...others];
}

/** The path with its query changed. */
export function mutateQuery(path: string, mutations: readonly QueryMutation[], info: StreamInfo): string {
  const mark = path.indexOf('?');
  const before = mark === -1 ? path : path.slice(0, mark);
  const query = mark === -1 ? '' : path.slice(mark + 1);
  let parameters: readonly string[] = query === '' ? [] : query.split('&');
  for (const mutation of mutations) parameters = apply(parameters, mutation, info);
  return parameters.length === 0 ? before : `${before}?${parameters.join('&')}`;
}

/** What the verdict of an authorization service changes of a request and of its response. */
import type { HeaderList } from '../../http/header-list.ts';
import type { RequestHead } from '../../http/message.ts';
import { asFieldValue, asUri, isAuthority, isFieldValue, isToken } from '../../http1/characters.ts';
import { isChangeable } from '../changeable-field.ts';
import type { Allowed, FieldPair, ResponseChange } from './verdict.ts';

/** Whether everything that the service asks for can stand in a message. */
export function isValid(verdict: Allowed): boolean {
  const fits = ([name, value]: FieldPair): boolean =>
    isToken(name.startsWith(':') ? name.slice(1) : name) && isFieldValue(value);
  const { set, add, append, response, remove, setParameters, removeParameters } = verdict;
  const parameters = [...setParameters.flat(), ...removeParameters];
  return (
    [...set, ...add, ...append, ...response.map(({ field }) => field)].every(fits) &&
    remove.every((name) => isToken(name.startsWith(':') ? name.slice(1) : name)) &&
    parameters.every((text) => /^[!-~]*$/.test(text) && !/[#&=?]/.test(text))
  );
}

export function areValid(fields: readonly FieldPair[]): boolean {
  return fields.every(([name, value]) => isToken(name) && isFieldValue(value));
}

function setPseudoField(head: RequestHead, name: string, value: string): boolean {
  switch (name) {
    case ':path':
      if (value.startsWith('/')) head.path = asUri(value);
      return true;
    case ':authority':
    case 'host':
      if (isAuthority(value)) head.authority = value;
      return true;
    case ':method':
      if (isToken(value) && value !== 'CONNECT' && head.method !== 'CONNECT') head.method = value;
      return true;
    default:
      return false;
  }
}

function changeFields(head: RequestHead, { set, add, append, remove }: Allowed): void {
  const { headers } = head;
  for (const [name, value] of set) {
    if (setPseudoField(head, name, value)) continue;
    if (isChangeable(name)) headers.set(name, asFieldValue(value));
  }
  for (const [name, value] of add) if (isChangeable(name)) headers.add(name, asFieldValue(value));
  for (const [name, value] of append) {
    const before = isChangeable(name) ? headers.joined(name) : undefined;
    if (before !== undefined) headers.set(name, asFieldValue(`${before},${value}`));
  }
  for (const name of remove) if (isChangeable(name)) headers.remove(name);
}

/** The parameters of a query, by name, in the order of their bytes: as Envoy writes them once it changes one. */
function changeParameters(head: RequestHead, { setParameters, removeParameters }: Allowed): void {
  const mark = head.path.indexOf('?');
  const path = mark === -1 ? head.path : head.path.slice(0, mark);
  const parameters = new Map<string, string[]>();
  for (const part of mark === -1 ? [] : head.path.slice(mark + 1).split('&')) {
    const equals = part.indexOf('=');
    const name = equals === -1 ? part : part.slice(0, equals);
    const value = equals === -1 ? '' : part.slice(equals + 1);
    const known = parameters.get(name);
    if (known) known.push(value);
    else if (part !== '') parameters.set(name, [value]);
  }
  for (const [name, value] of setParameters) parameters.set(name, [value]);
  for (const name of removeParameters) parameters.delete(name);
  const written = [...parameters]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, values]) => values.map((value) => `${name}=${value}`))
    .join('&');
  head.path = asUri(written === '' ? path : `${path}?${written}`);
}

/** Changes the request as the verdict says. Gives whether anything of it was asked for. */
export function changeRequest(head: RequestHead, verdict: Allowed): boolean {
  const { set, add, append, remove, setParameters, removeParameters } = verdict;
  const ofFields = set.length + add.length + append.length + remove.length;
  const ofParameters = setParameters.length + removeParameters.length;
  if (ofFields > 0) changeFields(head, verdict);
  if (ofParameters > 0) changeParameters(head, verdict);
  return ofFields + ofParameters > 0;
}

export function changeResponse(headers: HeaderList, changes: readonly ResponseChange[]): void {
  for (const {
    action,
    field: [name, given],
  } of changes) {
    if (!isChangeable(name)) continue;
    const value = asFieldValue(given);
    switch (action) {
      case 'add':
        headers.add(name, value);
        break;
      case 'set':
        headers.set(name, value);
        break;
      case 'add-if-absent':
        if (!headers.has(name)) headers.add(name, value);
        break;
      case 'set-if-present':
        if (headers.has(name)) headers.set(name, value);
    }
  }
}

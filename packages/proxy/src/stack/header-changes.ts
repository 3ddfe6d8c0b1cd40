/** Fields that a configuration adds to, and takes off, the messages that pass. */
import type { HeaderAddition } from '../config/core.ts';
import type { HeaderList } from '../http/header-list.ts';
import { asFieldValue } from '../http1/characters.ts';
import type { StreamInfo } from './stream-info.ts';

/** One level of changes: of a route, say. Removals come first. */
export interface HeaderChanges {
  readonly remove: readonly string[];
  readonly add: readonly HeaderAddition[];
}

/** The levels that change something, in the order in which they apply. */
export function changeLevels(levels: readonly HeaderChanges[]): readonly HeaderChanges[] {
  return levels.filter(({ remove, add }) => remove.length + add.length > 0);
}

function addField(headers: HeaderList, { name, action }: HeaderAddition, value: string): void {
  switch (action) {
    case 'APPEND_IF_EXISTS_OR_ADD':
      headers.add(name, value);
      return;
    case 'ADD_IF_ABSENT':
      if (!headers.has(name)) headers.add(name, value);
      return;
    case 'OVERWRITE_IF_EXISTS_OR_ADD':
      headers.set(name, value);
      return;
    case 'OVERWRITE_IF_EXISTS':
      if (headers.has(name)) headers.set(name, value);
  }
}

/** Makes one addition, where there is something to add. */
export function applyAddition(addition: HeaderAddition, headers: HeaderList, info: StreamInfo): void {
  const value = addition.value(info);
  if (value !== '' || addition.keepsEmpty) addField(headers, addition, asFieldValue(value));
}

export function applyChanges(levels: readonly HeaderChanges[], headers: HeaderList, info: StreamInfo): void {
  for (const { remove, add } of levels) {
    for (const name of remove) headers.remove(name);
    for (const addition of add) applyAddition(addition, headers, info);
  }
}

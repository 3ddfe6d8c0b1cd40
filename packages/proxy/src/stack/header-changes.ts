/** Fields that a configuration adds to, and takes off, the messages that pass. */
import type { HeaderAddition } from '../config/core.ts';
import type { HeaderList } from '../http/header-list.ts';
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

/** What a change does to what is not in the list of fields: `:authority` and `:path` of a request. */
export type SetPseudo = (name: string, value: string) => void;

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

/** Fields that say how a message is framed or routed; they are not for routes to change. */
const UNTOUCHABLE = new Set(['content-length', 'transfer-encoding', 'connection', 'upgrade', 'te', 'host']);

export function applyChanges(
  levels: readonly HeaderChanges[],
  headers: HeaderList,
  info: StreamInfo,
  setPseudo: SetPseudo,
): void {
  for (const { remove, add } of levels) {
    for (const name of remove) if (!UNTOUCHABLE.has(name)) headers.remove(name);
    for (const addition of add) {
      const value = addition.value(info);
      if (value === '' && !addition.keepsEmpty) continue;
      if (addition.name.startsWith(':') || addition.name === 'host') setPseudo(addition.name, value);
      else if (!UNTOUCHABLE.has(addition.name)) addField(headers, addition, value);
    }
  }
}

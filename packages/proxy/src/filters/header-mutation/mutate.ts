/** Makes the changes of fields that a configuration lists. */
import type { HeaderList } from '../../http/header-list.ts';
import { applyAddition } from '../../stack/header-changes.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';
import type { FieldMutation } from './schema.ts';

/** In the order of the list. */
export function applyMutations(mutations: readonly FieldMutation[], headers: HeaderList, info: StreamInfo): void {
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

/** Groups of statistics in the order in which their names are listed, a few at a time. */
import { GROUPS_AT_ONCE, type StatGroup } from './sample.ts';

/**
 * Groups whose names stand together in a sorted list, and no others between them: one, and those whose prefix begins with
 * its prefix (`cluster.a.` and `cluster.a.ssl.`). Families come in the order of their names. Yields '' now and then.
 */
export function* familiesOf(groups: Iterable<StatGroup>): Generator<string, readonly (readonly StatGroup[])[]> {
  const sorted: StatGroup[] = [];
  for (const group of groups) if (sorted.push(group) % GROUPS_AT_ONCE === 0) yield '';
  sorted.sort((a, b) => (a.prefix < b.prefix ? -1 : a.prefix > b.prefix ? 1 : 0));
  yield '';
  const families: StatGroup[][] = [];
  let root: StatGroup | undefined;
  for (const group of sorted) {
    if (root && group.prefix.startsWith(root.prefix)) families.at(-1)?.push(group);
    else {
      root = group;
      families.push([group]);
    }
  }
  return families;
}

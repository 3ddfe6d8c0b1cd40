/** What a server is told of resources that are refused. */
import type { ResourceType } from '@weft/envoy-api';
import type { ResourceIssue } from './subscriptions.ts';

/** A listener full of mistakes is told of with these many; the text has to fit into a message. */
const MAX_ISSUES = 100;
const MAX_LENGTH = 64 * 1024;

/** `listener web: filter_chains[0].filters: must have an entry; cluster …`: everything that is wrong, and where. */
export function refusalText(type: ResourceType, issues: readonly ResourceIssue[]): string {
  const told = issues.slice(0, MAX_ISSUES).map(({ name, path, message }) => {
    const what = name === '' ? `${type} without a name` : `${type} ${name}`;
    return path === '' ? `${what}: ${message}` : `${what}: ${path}: ${message}`;
  });
  if (issues.length > told.length) told.push(`and ${issues.length - told.length} more`);
  // What was cut must still be text.
  return told.join('; ').slice(0, MAX_LENGTH).toWellFormed();
}

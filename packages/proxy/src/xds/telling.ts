/** How listeners are told: what one of them throws is what is wrong with the resource, and harms nobody else. */
import type { Log } from '../log.ts';
import type { CollectionListener, CollectionUpdate, ResourceIssue, ResourceListener } from './subscriptions.ts';

function thrownMessage(thrown: unknown, log: Log): string {
  log.error({ err: thrown }, 'a resource could not be taken up');
  return `could not be taken up: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
}

/** Tells of one resource; gives what is wrong with it. */
export function tellOne(
  listener: ResourceListener,
  told: { readonly name: string; readonly version: string; readonly resource: unknown },
  log: Log,
): readonly ResourceIssue[] {
  const { name, version, resource } = told;
  try {
    return listener.onResource(resource, version).map((issue) => ({ ...issue, name }));
  } catch (thrown) {
    return [{ name, path: '', message: thrownMessage(thrown, log) }];
  }
}

/** Tells of an update; gives what is wrong with which of its resources. */
export function tellAll(listener: CollectionListener, update: CollectionUpdate, log: Log): readonly ResourceIssue[] {
  try {
    return listener.onUpdate(update);
  } catch (thrown) {
    const message = thrownMessage(thrown, log);
    return update.changed.map(({ name }) => ({ name, path: '', message }));
  }
}

export function tellRemoved(listener: ResourceListener, log: Log): void {
  try {
    listener.onRemoved();
  } catch (thrown) {
    log.error({ err: thrown }, 'the removal of a resource could not be taken up');
  }
}

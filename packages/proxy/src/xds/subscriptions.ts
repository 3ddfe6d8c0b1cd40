/** Resources that arrive while the proxy runs, as those who use them see them. */
import type { ResourceType } from '@weft/envoy-api';
import type { ResourceSource } from '../config/config-source.ts';
import type { ConfigIssue } from '../config/schema.ts';
import type { Steps } from '../slices.ts';

/** Told of one resource. */
export interface ResourceListener {
  /** The resource as ProtoJSON, new or changed. Gives what is wrong with it; it is refused then, and the last one holds. */
  onResource(resource: unknown, version: string): readonly ConfigIssue[];
  /**
   * What of {@link onResource} can be done before, a step at a time, and changes nothing; told of large resources alone,
   * right before the same object is told to `onResource`, or never is. `encoded`: the message `Resource` that it was read of.
   */
  prepare?(resource: unknown, encoded: Uint8Array): Steps<void> | undefined;
  /** The source says that there is none of that name. */
  onRemoved(): void;
}

/** Told of all resources of a type. */
export interface CollectionListener {
  /**
   * What came and went in one update, by name; the first is told even if it is empty: the source has answered. Gives
   * what is wrong with each; the others are taken all the same.
   */
  onUpdate(update: CollectionUpdate): readonly ResourceIssue[];
}

/** What is wrong with one resource of several. */
export interface ResourceIssue extends ConfigIssue {
  /** Of the resource, as the update has it. */
  readonly name: string;
}

export interface CollectionUpdate {
  readonly changed: readonly { readonly name: string; readonly version: string; readonly resource: unknown }[];
  readonly removed: readonly string[];
  /** More of the same update follows: others have their turn in between. */
  readonly isPartial?: boolean;
}

export type Unwatch = () => void;

export interface Subscriptions {
  /** Watches one resource. What is known of it already is told at once. */
  watch(source: ResourceSource, type: ResourceType, name: string, listener: ResourceListener): Unwatch;
  /** Watches every resource of a type that the source has for this proxy. What is known already is told at once. */
  watchAll(source: ResourceSource, type: ResourceType, listener: CollectionListener): Unwatch;
}

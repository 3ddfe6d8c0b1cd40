/** What `/config_dump` is put together of. */
import { RESOURCE_TYPES, type ResourceType, typeUrl } from '@weft/envoy-api';

/** One message of the dump: single fields, and lists of what has names. */
export interface Dump {
  /** `ClustersConfigDump` */
  readonly message: string;
  readonly single: Readonly<Record<string, object | string>>;
  readonly lists: Readonly<Record<string, DumpList>>;
}

export interface DumpList {
  /** The message of an entry: `StaticCluster`. */
  readonly message: string;
  /** The fields that an entry can have. */
  readonly fields: readonly string[];
  readonly entries: readonly DumpEntry[];
}

export interface DumpEntry {
  readonly name: string;
  readonly value: object;
}

/** Fields of entries that say where a resource stands. */
export const STATE_FIELDS = ['version_info', 'last_updated', 'error_state', 'client_status'];

export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** A resource inside an Any. */
export function anyOf(type: ResourceType, resource: unknown): object {
  const fields = typeof resource === 'object' && resource !== null ? resource : {};
  return { '@type': typeUrl(RESOURCE_TYPES[type]), ...fields };
}

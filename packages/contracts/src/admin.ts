/** The admin API, by gRPC. */
import { readFileSync } from 'node:fs';

export * from '../gen/admin.ts';

/** The key of the metadata that carries a `Conflict` beside FAILED_PRECONDITION. */
export const CONFLICT_METADATA = 'weft-conflict-bin';

/** The serialized FileDescriptorSet of the admin API with its imports, for server reflection. */
export function adminDescriptors(): Buffer {
  return readFileSync(new URL('../gen/admin.binpb', import.meta.url));
}

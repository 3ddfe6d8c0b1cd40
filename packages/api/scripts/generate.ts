/**
 * Generates `gen/grpc.binpb`, the descriptors of gRPC's own services, from `proto/`. Needs protoc, from the npm package of
 * that name. What it writes is committed; a test compares.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FILES = [
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
  'grpc/reflection/v1alpha/reflection.proto',
];
const root = fileURLToPath(new URL('..', import.meta.url));

/** The serialized FileDescriptorSet, without writing it. */
export function generate(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'weft-api-'));
  try {
    const script = createRequire(import.meta.url).resolve('protoc/protoc.cjs');
    const output = join(folder, 'grpc.binpb');
    const flags = [`--proto_path=${join(root, 'proto')}`, `--descriptor_set_out=${output}`];
    execFileSync(process.execPath, [script, ...flags, ...FILES], { stdio: 'inherit' });
    return readFileSync(output);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) writeFileSync(join(root, 'gen', 'grpc.binpb'), generate());

/**
 * Generates `gen/*.ts` and `gen/admin.binpb` from `proto/`. Needs protoc, from the npm package of that name. What it
 * writes is committed, so that running Weft needs no code generator; a test compares.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fileDescriptorSet } from '@weft/protobuf/descriptor';
import { nativeModule } from '@weft/protobuf/generate';

const FILES = ['weft/bus/v1/bus.proto', 'weft/node/v1/node.proto', 'weft/admin/v1/admin.proto'];
const root = fileURLToPath(new URL('..', import.meta.url));

function protoc(...flags: string[]): void {
  const script = createRequire(import.meta.url).resolve('protoc/protoc.cjs');
  execFileSync(process.execPath, [script, `--proto_path=${join(root, 'proto')}`, ...flags], { stdio: 'inherit' });
}

/** The generated files by name, without writing them. */
export function generate(): ReadonlyMap<string, string | Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-contracts-'));
  try {
    const whole = join(folder, 'whole.binpb');
    protoc('--include_imports', '--include_source_info', `--descriptor_set_out=${whole}`, ...FILES);
    const set = fileDescriptorSet.decode(readFileSync(whole));
    const files = new Map<string, string | Buffer>();
    for (const file of FILES) files.set(`${basename(file, '.proto')}.ts`, nativeModule(set, file));
    const admin = join(folder, 'admin.binpb');
    protoc('--include_imports', `--descriptor_set_out=${admin}`, 'weft/admin/v1/admin.proto');
    return files.set('admin.binpb', readFileSync(admin));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) {
  for (const [name, content] of generate()) writeFileSync(join(root, 'gen', name), content);
}

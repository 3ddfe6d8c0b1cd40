import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const COMMAND = fileURLToPath(new URL('index.ts', import.meta.url));

/** Starts a proxy that streams to a control plane which is not there, ends it, and tells what was loaded for that. */
const PROGRAM = `
const { registerHooks } = await import('node:module');
const loaded = [];
registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
const { runProxyCommand } = await import(process.argv[1]);
const cluster = { name: 'xds', http2_protocol_options: {}, load_assignment: { cluster_name: 'xds', endpoints: [
  { lb_endpoints: [{ endpoint: { address: { pipe: { path: '/nowhere' } } } }] }] } };
const ads_config = { api_type: 'DELTA_GRPC', transport_api_version: 'V3',
  grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }] };
const cds_config = { ads: {}, initial_fetch_timeout: '0.1s' };
const admin = { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } };
const bootstrap = { admin, node: { id: 'a', cluster: 'b' }, static_resources: { clusters: [cluster] },
  dynamic_resources: { ads_config, cds_config } };
setTimeout(() => process.kill(process.pid, 'SIGTERM'), 300);
const output = { out: console.log, err: console.error };
const code = await runProxyCommand(['--config-yaml', JSON.stringify(bootstrap)], output, '0');
const { createRequire } = await import('node:module');
const kept = Object.keys(createRequire(process.argv[1]).cache);
console.log(JSON.stringify({ code, loaded, builtins: process.moduleLoadList, kept }));
process.exit();
`;

interface Ended {
  readonly code: number;
  /** Modules, as they were loaded. */
  readonly loaded: readonly string[];
  /** What of Node itself was loaded. */
  readonly builtins: readonly string[];
  /** CommonJS modules that are still held as it ends. */
  readonly kept: readonly string[];
  readonly stderr: string;
}

async function runToEnd(): Promise<Ended> {
  const args = ['--input-type=module', '-e', PROGRAM, COMMAND];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { timeout: 30_000 });
  return { ...(JSON.parse(stdout) as Omit<Ended, 'stderr'>), stderr };
}

test('a proxy by itself loads no gRPC library: streams go over its own pools', async () => {
  const { code, loaded, stderr } = await runToEnd();
  assert.equal(code, 0, stderr);
  assert.match(stderr, /the aggregated stream to xds ended/);
  assert.ok(loaded.some((url) => url.endsWith('/upstream/grpc-stream.ts')));
  assert.deepEqual(
    loaded.filter((url) => url.includes('@grpc/') || url.includes('protobufjs')),
    [],
  );
});

test('a proxy keeps nothing of what reads YAML, and its admin interface loads no client of the web', async () => {
  const { loaded, builtins, kept, stderr } = await runToEnd();
  assert.ok(
    loaded.some((url) => url.includes('/yaml/')),
    stderr,
  );
  assert.deepEqual(
    kept.filter((path) => path.includes('/yaml/')),
    [],
  );
  assert.ok(builtins.some((name) => name.endsWith(' http')));
  assert.deepEqual(
    builtins.filter((name) => name.includes('undici')),
    [],
  );
});

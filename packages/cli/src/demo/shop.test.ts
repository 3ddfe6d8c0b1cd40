import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SERVICE = fileURLToPath(new URL('../../../../examples/shop/service.mjs', import.meta.url));

test('a service of the sample shop calls through HTTP_PROXY on any Node, one that does not heed it itself too', async (t) => {
  const seen: IncomingMessage[] = [];
  const sidecar = createServer((request, response) => {
    seen.push(request);
    response.end('{"service":"stock"}');
  });
  sidecar.listen(0, '127.0.0.1');
  await once(sidecar, 'listening');
  t.after(() => sidecar.close());
  const { NODE_USE_ENV_PROXY: _heeded, ...env } = process.env;
  const child = spawn(process.execPath, [SERVICE], {
    env: {
      ...env,
      SERVICE: 'cart',
      PORT: '0',
      CALLS: 'stock',
      HTTP_PROXY: `http://127.0.0.1:${(sidecar.address() as AddressInfo).port}`,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = /listens on (\d+)/.exec(line.toString())?.[1];
  const answer = await fetch(`http://127.0.0.1:${port}/a?b`, { signal: AbortSignal.timeout(20_000) });
  assert.deepEqual(
    [answer.status, await answer.json()],
    [200, { service: 'cart', version: 'v1', called: [{ service: 'stock' }] }],
  );
  assert.deepEqual([seen[0]?.url, seen[0]?.headers.host], ['http://stock.mesh/a?b', 'stock.mesh']);
});

// A service of the sample shop: answers with what it is, and with what the services that it calls answered.
// It knows nothing of the mesh: it calls http://<service>.mesh as it would any host.
//
//   SERVICE=cart PORT=8080 CALLS=stock VERSION=v1 node service.mjs
import { createServer } from 'node:http';

const { SERVICE: service = 'web', VERSION: version = 'v1', CALLS: calls = '' } = process.env;
const { HOST: host = '127.0.0.1', PORT: port = '8080' } = process.env;
const upstreams = calls.split(',').filter((name) => name !== '');

async function ask(name, path) {
  const response = await fetch(`http://${name}.mesh${path}`, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`${name} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

const server = createServer(async (request, response) => {
  try {
    const called = await Promise.all(upstreams.map((name) => ask(name, request.url ?? '/')));
    // The sidecar names the caller that proved itself by certificate.
    const caller = /URI=([^;,]+)/.exec(request.headers['x-forwarded-client-cert'] ?? '')?.[1];
    const body = JSON.stringify({ service, version, caller, called });
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  } catch (error) {
    response.writeHead(502, { 'content-type': 'text/plain' }).end(`${service}: ${error.message}\n`);
  }
});

server.keepAliveTimeout = 60_000;
server.listen(Number(port), host, () => console.log(`${service} ${version} listens on ${port}`));
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});

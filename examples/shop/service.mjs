// A service of the sample shop: answers with what it is, and with what the services that it calls answered.
// It knows nothing of the mesh: it calls http://<service>.mesh as it would any host.
//
//   SERVICE=cart PORT=8080 CALLS=stock VERSION=v1 node service.mjs
import { createServer, get } from 'node:http';
import { text } from 'node:stream/consumers';
import { urlToHttpOptions } from 'node:url';

const { SERVICE: service = 'web', VERSION: version = 'v1', CALLS: calls = '' } = process.env;
const { HOST: host = '127.0.0.1', PORT: port = '8080' } = process.env;
const { HTTP_PROXY: proxy } = process.env;
const upstreams = calls.split(',').filter((name) => name !== '');

/** Calls a service through `HTTP_PROXY`, which Node heeds by itself from version 24 on alone. */
function ask(name, path) {
  const host = `${name}.mesh`;
  const url = `http://${host}${path}`;
  const way = proxy ? { ...urlToHttpOptions(new URL(proxy)), path: url } : urlToHttpOptions(new URL(url));
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(10_000);
    get({ ...way, headers: { host }, signal }, (response) => {
      const { statusCode } = response;
      text(response)
        .then((body) => {
          if (statusCode !== 200) throw new Error(`${name} answered ${statusCode}: ${body}`);
          return JSON.parse(body);
        })
        .then(resolve, reject);
    }).on('error', reject);
  });
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
server.listen(Number(port), host, () => console.log(`${service} ${version} listens on ${server.address().port}`));
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});

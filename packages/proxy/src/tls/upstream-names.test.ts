import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createServer, type TLSSocket } from 'node:tls';
import { chainToPem, keyToPem } from '@weft/identity';
import { makeCertificate, makeLooseRoot } from '@weft/identity/testing';
import { systemClock } from '../clock.ts';
import { testCluster } from '../cluster/testing/cluster.ts';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { Connecting, type PeerName } from '../net/connect.ts';
import { TlsStats } from '../stats/groups.ts';
import { peerNameOf } from '../upstream/peer-name.ts';
import { Warming } from '../warming.ts';
import { SecretStore } from './secrets.ts';
import { upstreamConfig, validationConfig } from './testing/config.ts';
import { UpstreamTls } from './upstream.ts';

const root = makeLooseRoot();
const leaf = makeCertificate('', { uris: [], dnsNames: ['a.example', '*.wide.example'] }, root);
const rootPem = chainToPem([root.certificate.der]);

/** A server that tells which name was asked for; gives a way to connect to it. */
async function server(test: TestContext, trustedCa: string | undefined = rootPem) {
  const cert = chainToPem([leaf.certificate.der]);
  const listening = createServer({ cert, key: keyToPem(leaf.privateKey) }, (socket: TLSSocket) => {
    socket.on('error', () => undefined);
    socket.end(String((socket as TLSSocket & { servername?: string | false }).servername));
  }).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  test.after(() => listening.close());
  const { port } = listening.address() as AddressInfo;
  const nobody = { watch: () => () => undefined, watchAll: () => () => undefined };
  const warming = new Warming(systemClock, () => undefined);
  const config = upstreamConfig({ sni: 'usual.example', validation: validationConfig({ trustedCa }) });
  const stats = new TlsStats();
  const tls = new UpstreamTls(config, new SecretStore(nobody, []), warming, stats, systemClock);
  const connect = (serverName?: string, certificateName?: string): Promise<string> => {
    const peer: PeerName = { serverName, certificateName };
    return new Promise((resolve) => {
      const onConnected = (socket: Socket) => {
        let seen = '';
        socket.on('data', (chunk: Buffer) => {
          seen += chunk.toString();
        });
        socket.on('end', () => {
          socket.destroy();
          resolve(seen);
        });
      };
      const onConnectFailed = ({ text }: { readonly text: string }) => resolve(text);
      const options = { timeoutMs: 20_000, tls, keepalive: undefined, clock: systemClock, peer };
      new Connecting({ type: 'tcp', host: '127.0.0.1', port }, { onConnected, onConnectFailed }, options);
    });
  };
  return { connect, stats };
}

test('the server name is that of the request, or that of the configuration', async (t) => {
  const { connect } = await server(t);
  assert.deepEqual([await connect('a.example'), await connect()], ['a.example', 'usual.example']);
});

test('the certificate must have the name that the request is for', async (t) => {
  const { connect, stats } = await server(t);
  assert.equal(await connect('a.example', 'A.example'), 'a.example');
  assert.equal(await connect('b.wide.example', 'b.wide.example'), 'b.wide.example');
  assert.match(await connect('b.example', 'b.example'), /the certificate is not that of b.example/);
  assert.match(await connect('a.b.wide.example', 'a.b.wide.example'), /is not that of a.b.wide.example/);
  assert.match(await connect(undefined, '127.0.0.1'), /is not that of 127.0.0.1/);
  assert.equal(stats.fail_verify_san, 3);
});

test('a session with one name is not come back to under another', async (t) => {
  const { connect, stats } = await server(t);
  assert.equal(await connect('a.example', 'a.example'), 'a.example');
  assert.match(await connect('b.example', 'b.example'), /is not that of b.example/);
  assert.equal(stats.session_reused, 0);
  assert.equal(await connect('a.example', 'a.example'), 'a.example');
  assert.equal(stats.session_reused, 1);
});

const head = (authority: string, fields: string[] = []) =>
  new RequestHead('GET', '/', authority, 'http', new HeaderList(fields));

test('a request says whom it is for by its authority or the field that the cluster names', () => {
  const of = (upstream_http_protocol_options: object, authority: string, fields: string[] = []) =>
    peerNameOf(testCluster({ upstream_http_protocol_options }), head(authority, fields));
  const both = { auto_sni: true, auto_san_validation: true };
  assert.deepEqual(of(both, 'a.example:80'), { serverName: 'a.example', certificateName: 'a.example' });
  assert.deepEqual(of(both, '[::1]:80'), { serverName: undefined, certificateName: '::1' });
  assert.deepEqual(of({ auto_sni: true }, '127.0.0.1'), { serverName: undefined, certificateName: undefined });
  const other = { auto_sni: true, override_auto_sni_header: 'X-Name' };
  assert.equal(of(other, 'a.example', ['x-name', 'b.example'])?.serverName, 'b.example');
  assert.equal(of(other, 'a.example')?.serverName, 'a.example');
  assert.equal(of({}, 'a.example'), undefined);
});

test('requests for several names have pools of their own', () => {
  const cluster = testCluster({ upstream_http_protocol_options: { auto_sni: true } }, [1]);
  const [host] = cluster.hosts;
  assert.ok(host);
  const poolOf = (authority: string) =>
    cluster.pool(host, 'HTTP/1.1', 'DEFAULT', undefined, peerNameOf(cluster, head(authority)));
  assert.equal(poolOf('a.example'), poolOf('a.example:80'));
  assert.notEqual(poolOf('a.example'), poolOf('b.example'));
  cluster.destroy();
});

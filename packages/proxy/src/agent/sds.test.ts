import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode } from '@weft/envoy-api';
import { type CallContext, changingTls, memoryStreamPair, type RawStream } from '@weft/rpc';
import { DELTA_SECRETS, SecretStore, STREAM_SECRETS, secretHandlers } from './sds.ts';
import { Reader, requestBytes } from './testing/delta-client.ts';
import { SILENT } from './testing/silent-log.ts';

const SECRET_TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
const MATERIAL = { chainPem: 'chain 1', keyPem: 'key 1', rootsPem: ['root 1'] };

function fixture() {
  const tls = changingTls(MATERIAL);
  const handlers = secretHandlers(new SecretStore(tls, 'mesh.test', new AbortController().signal), SILENT);
  const connect = (path: string): { stream: RawStream; reader: Reader } => {
    const [stream, far] = memoryStreamPair();
    const caller = { identity: undefined, address: 'memory' };
    const call: CallContext = { caller, signal: far.signal, metadata: () => undefined };
    handlers[path]?.(far, call);
    return { stream, reader: new Reader(stream) };
  };
  return { tls, connect };
}

function ask(stream: RawStream, more: Parameters<typeof requestBytes>[0]): void {
  stream.send(requestBytes({ type_url: SECRET_TYPE, ...more }));
}

test('a delta stream is given the secrets that it names, and each renewal', async () => {
  const { tls, connect } = fixture();
  const { stream, reader } = connect(DELTA_SECRETS);
  ask(stream, { resource_names_subscribe: ['weft/identity'] });
  const first = await reader.response();
  assert.equal(first.resources?.length, 1);
  const secret = first.resources?.[0]?.resource as { tls_certificate: { private_key: unknown } } | undefined;
  assert.deepEqual(secret?.tls_certificate.private_key, { inline_string: 'key 1' });
  ask(stream, { response_nonce: first.nonce ?? '' });
  tls.set({ ...MATERIAL, rootsPem: ['root 2', 'root 1'] });
  tls.set({ ...MATERIAL, chainPem: 'chain 2', keyPem: 'key 2' });
  const second = await reader.response();
  assert.notEqual(second.resources?.[0]?.version, first.resources?.[0]?.version);
  assert.match(JSON.stringify(second.resources), /key 2/);
  stream.end();
});

test('roots are one secret, with the trust domain that they are of', async () => {
  const { connect } = fixture();
  const { stream, reader } = connect(DELTA_SECRETS);
  ask(stream, { resource_names_subscribe: ['weft/trust'] });
  const text = JSON.stringify((await reader.response()).resources);
  assert.match(text, /SPIFFECertValidatorConfig/);
  assert.match(text, /mesh\.test/);
  assert.match(text, /root 1/);
  stream.end();
});

test('a stream that has the newest version already is sent nothing', async () => {
  const { tls, connect } = fixture();
  const first = connect(DELTA_SECRETS);
  ask(first.stream, { resource_names_subscribe: ['weft/identity'] });
  const version = (await first.reader.response()).resources?.[0]?.version ?? '';
  const second = connect(DELTA_SECRETS);
  const had = { initial_resource_versions: { 'weft/identity': version } };
  ask(second.stream, { resource_names_subscribe: ['weft/identity'], ...had });
  tls.set({ ...MATERIAL, chainPem: 'chain 2' });
  assert.match(JSON.stringify(await second.reader.response()), /chain 2/);
});

test('a secret that does not exist is told at once', async () => {
  const { connect } = fixture();
  const { stream, reader } = connect(DELTA_SECRETS);
  ask(stream, { resource_names_subscribe: ['other'] });
  assert.deepEqual((await reader.response()).removed_resources, ['other']);
});

test('what is refused is not sent again until it changes', async () => {
  const { tls, connect } = fixture();
  const { stream, reader } = connect(DELTA_SECRETS);
  ask(stream, { resource_names_subscribe: ['weft/identity'] });
  const first = await reader.response();
  ask(stream, { response_nonce: first.nonce ?? '', error_detail: { code: 3, message: 'no' } });
  tls.set({ ...MATERIAL, chainPem: 'chain 2' });
  assert.match(JSON.stringify(await reader.response()), /chain 2/);
});

test('a state-of-the-world stream is given all that it names, and each renewal', async () => {
  const { tls, connect } = fixture();
  const { stream, reader } = connect(STREAM_SECRETS);
  const send = (more: object) =>
    stream.send(
      encode('envoy.service.discovery.v3.DiscoveryRequest', {
        type_url: SECRET_TYPE,
        resource_names: ['weft/identity', 'weft/trust'],
        ...more,
      }),
    );
  const receive = async () => decode('envoy.service.discovery.v3.DiscoveryResponse', await reader.next());
  send({});
  const first = await receive();
  assert.equal(first.resources?.length, 2);
  send({ version_info: first.version_info, response_nonce: first.nonce });
  tls.set({ ...MATERIAL, chainPem: 'chain 2' });
  const second = await receive();
  assert.notEqual(second.version_info, first.version_info);
  assert.match(JSON.stringify(second.resources), /chain 2/);
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { listen } from '@weft/rpc';
import protobuf from 'protobufjs';
import { generate } from '../scripts/generate.ts';
import { healthService } from './health.ts';
import { reflectionService } from './reflection.ts';

const proto = (path: string): protobuf.Root =>
  protobuf.loadSync(fileURLToPath(new URL(`../proto/${path}`, import.meta.url)));

interface Fixture {
  readonly client: Client;
  setReady(isReady: boolean): void;
}

async function fixture(t: TestContext): Promise<Fixture> {
  let isReady = true;
  const services = [reflectionService(), healthService(['weft.admin.v1.Admin'], () => isReady)];
  const server = await listen({ address: '127.0.0.1:0', services });
  const client = new Client(server.address, credentials.createInsecure());
  t.after(async () => {
    client.close();
    await server.close();
  });
  return {
    client,
    setReady: (ready) => {
      isReady = ready;
    },
  };
}

/** A foreign client: gRPC's own, with messages of protobufjs read from the .proto files. */
function reflect(
  client: Client,
  version: 'v1' | 'v1alpha',
  questions: readonly object[],
): Promise<Record<string, unknown>[]> {
  const root = proto(`grpc/reflection/${version}/reflection.proto`);
  const request = root.lookupType(`grpc.reflection.${version}.ServerReflectionRequest`);
  const response = root.lookupType(`grpc.reflection.${version}.ServerReflectionResponse`);
  const stream = client.makeBidiStreamRequest(
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    (value: object) => Buffer.from(request.encode(request.fromObject(value)).finish()),
    (bytes: Buffer) => response.toObject(response.decode(bytes), { enums: String }) as Record<string, unknown>,
  );
  return new Promise((resolve, reject) => {
    const answers: Record<string, unknown>[] = [];
    stream.on('data', (answer: Record<string, unknown>) => answers.push(answer));
    stream.on('error', reject);
    stream.on('end', () => resolve(answers));
    for (const question of questions) stream.write(question);
    stream.end();
  });
}

function fileNames(answer: Record<string, unknown> | undefined): string[] {
  const files = answer?.fileDescriptorResponse as { readonly fileDescriptorProto: readonly Uint8Array[] };
  // A FileDescriptorProto begins with its name.
  return files.fileDescriptorProto.map((bytes) => Buffer.from(bytes.subarray(2, 2 + (bytes[1] ?? 0))).toString());
}

for (const version of ['v1', 'v1alpha'] as const) {
  test(`reflection ${version} lists the services and gives the files that define them, with their imports`, async (t) => {
    const { client } = await fixture(t);
    const [list, bySymbol, byMethod, byFile] = await reflect(client, version, [
      { listServices: '' },
      { fileContainingSymbol: 'weft.admin.v1.Admin' },
      { fileContainingSymbol: 'weft.bus.v1.Workload' },
      { fileByFilename: 'grpc/health/v1/health.proto' },
    ]);
    const services = list?.listServicesResponse as { readonly service: readonly { readonly name: string }[] };
    assert.deepEqual(
      services.service.map(({ name }) => name),
      [
        'grpc.health.v1.Health',
        'grpc.reflection.v1.ServerReflection',
        'grpc.reflection.v1alpha.ServerReflection',
        'weft.admin.v1.Admin',
      ],
    );
    assert.deepEqual(fileNames(bySymbol), ['weft/admin/v1/admin.proto', 'weft/bus/v1/bus.proto']);
    assert.deepEqual(fileNames(byMethod), ['weft/bus/v1/bus.proto']);
    assert.deepEqual(fileNames(byFile), ['grpc/health/v1/health.proto']);
  });
}

test('what there is not is answered, and the stream goes on', async (t) => {
  const { client } = await fixture(t);
  const answers = await reflect(client, 'v1', [
    { fileContainingSymbol: 'no.such.Thing' },
    { fileByFilename: 'no.proto' },
    { fileContainingExtension: { containingType: 'weft.admin.v1.Status', extensionNumber: 7 } },
    {},
    { allExtensionNumbersOfType: 'weft.admin.v1.Status' },
  ]);
  const codes = answers.map(({ errorResponse }) => (errorResponse as { errorCode: number } | undefined)?.errorCode);
  assert.deepEqual(codes, [5, 5, 5, 3, undefined]);
});

test('the health of the server and of its service can be asked, and watched', async (t) => {
  const { client, setReady } = await fixture(t);
  const root = proto('grpc/health/v1/health.proto');
  const request = root.lookupType('grpc.health.v1.HealthCheckRequest');
  const response = root.lookupType('grpc.health.v1.HealthCheckResponse');
  const encode = (value: object) => Buffer.from(request.encode(request.fromObject(value)).finish());
  const decode = (bytes: Buffer) => response.toObject(response.decode(bytes), { enums: String }).status as string;
  const check = (service: string) =>
    new Promise<string | undefined>((resolve, reject) => {
      client.makeUnaryRequest('/grpc.health.v1.Health/Check', encode, decode, { service }, (error, status) =>
        error ? reject(error) : resolve(status),
      );
    });
  assert.equal(await check(''), 'SERVING');
  assert.equal(await check('weft.admin.v1.Admin'), 'SERVING');
  await assert.rejects(check('other'), (error: ServiceError) => error.code === 5);

  const watch = client.makeServerStreamRequest('/grpc.health.v1.Health/Watch', encode, decode, { service: '' });
  watch.on('error', () => undefined);
  const told: string[] = [];
  for await (const status of watch) {
    told.push(status as string);
    if (told.length === 1) setReady(false);
    if (told.length === 2) break;
  }
  assert.deepEqual(told, ['SERVING', 'NOT_SERVING']);
  assert.equal(await check(''), 'NOT_SERVING');
});

test('the committed descriptors are those of the .proto files', () => {
  const committed = readFileSync(new URL('../gen/grpc.binpb', import.meta.url));
  assert.ok(generate().equals(committed), 'run npm run generate in packages/api');
});

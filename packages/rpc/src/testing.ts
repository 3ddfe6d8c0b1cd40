/** For the tests of this package: a mesh with a server and a client in it, and services that echo, flood and wait. */
import { setTimeout as delay } from 'node:timers/promises';
import { Identity, type JoinResponse, type MeshInfo } from '@weft/contracts/node';
import type { Svid } from '@weft/identity';
import { type Credential, createTestMesh, type TestMesh } from '@weft/identity/testing';
import { fixedTls, type Handlers, rawService, type TlsMaterial, typedService } from './index.ts';
import type { CallContext, ConnectOptions, MountedService, RawHandler } from './types.ts';

export const ECHO = '/weft.test.v1.Streams/Echo';

export interface TestGround {
  readonly mesh: TestMesh;
  readonly server: TlsMaterial;
  readonly client: TlsMaterial;
}

export function materialOf(mesh: TestMesh, credential: Svid | Credential): TlsMaterial {
  return { chainPem: credential.chainPem, keyPem: credential.keyPem, rootsPem: [mesh.rootPem] };
}

export function createGround(trustDomain = 'weft.local'): TestGround {
  const mesh = createTestMesh(trustDomain);
  return {
    mesh,
    server: materialOf(mesh, mesh.issue('weft-system', 'ca')),
    client: materialOf(mesh, mesh.issue('shop', 'cart')),
  };
}

/** How a client of the mesh reaches that address. */
export function clientOptions(material: TlsMaterial, ...addresses: readonly string[]): ConnectOptions {
  return { addresses, tls: { source: fixedTls(material), expect: (id) => id.namespace === 'weft-system' } };
}

export const ANSWER: JoinResponse = { chain: [], notBeforeMs: 1, notAfterMs: 2, nowMs: 3 };
export const REQUEST = { csr: Buffer.from('csr'), nowMs: 5 };

export function meshInfo(trustDomain: string): MeshInfo {
  return {
    trustDomain,
    roots: [],
    caAddresses: [],
    discoveryAddresses: [],
    xdsAddresses: [],
    telemetryAddresses: [],
  };
}

/** A service of a contract whose methods can be told what to do; the rest answers. */
export function identityService(handlers: Partial<Handlers<typeof Identity>> = {}): MountedService {
  return typedService(Identity, {
    join: async () => ANSWER,
    renew: async () => ANSWER,
    watchMesh: async function* () {
      yield meshInfo('only.one');
    },
    ...handlers,
  });
}

/** Tells every call that reaches it. */
export function recordingService(calls: CallContext[]): MountedService {
  const record = async (_request: unknown, call: CallContext): Promise<JoinResponse> => {
    calls.push(call);
    return ANSWER;
  };
  return identityService({ join: record, renew: record });
}

/** Sends back what comes, held back by its reader. */
export const echo: RawHandler = (stream) => {
  const run = async (): Promise<void> => {
    for await (const message of stream.messages) {
      if (!stream.send(message)) await stream.drained();
    }
    stream.end();
  };
  run().catch((thrown: unknown) => stream.end(thrown));
};

export function echoService(): MountedService {
  return rawService({ [ECHO]: echo });
}

/** Waits until something holds, for at most 20 s. */
export async function eventually(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within 20 s: ${what}`);
    await delay(5);
  }
}

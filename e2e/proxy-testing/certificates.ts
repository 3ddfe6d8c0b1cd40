/** Certificates as the bootstraps of mutual TLS name them: the caller is cart, the server is stock. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Credential, createTestMesh, forgedCredentials, type TestMesh } from '@weft/identity/testing';

export interface Credentials {
  readonly mesh: TestMesh;
  /** Another trust domain that is trusted, where several are, for identities of its own: `far.example`. */
  readonly far: TestMesh;
  readonly cart: Credential;
  readonly stock: Credential;
  /** Of the mesh, and neither of the two. */
  readonly other: Credential;
  /** By what is wrong with them: those that claim to be cart, and those that claim to be stock. */
  readonly forgedCart: Readonly<Record<string, Credential>>;
  readonly forgedStock: Readonly<Record<string, Credential>>;
}

export function makeCredentials(): Credentials {
  const mesh = createTestMesh();
  const id = (serviceAccount: string) => ({ trustDomain: mesh.trustDomain, namespace: 'shop', serviceAccount });
  const issue = (serviceAccount: string): Credential => {
    const { chain, chainPem, keyPem } = mesh.issue('shop', serviceAccount);
    return { chain: chain.map((der) => Buffer.from(der)), chainPem, keyPem };
  };
  return {
    mesh,
    far: createTestMesh('far.example'),
    cart: issue('cart'),
    stock: issue('stock'),
    other: issue('other'),
    forgedCart: forgedCredentials(mesh, id('cart')),
    forgedStock: forgedCredentials(mesh, id('stock')),
  };
}

/** Writes what the bootstraps read to `folder`/certificates. */
export function writeCertificates(folder: string, { mesh, far, cart, stock }: Credentials): void {
  const target = join(folder, 'certificates');
  mkdirSync(target, { recursive: true });
  const write = (name: string, text: string) => writeFileSync(join(target, name), text, { mode: 0o600 });
  write('roots.pem', mesh.rootPem);
  write('far-roots.pem', far.rootPem);
  write('client.pem', cart.chainPem);
  write('client.key', cart.keyPem);
  write('server.pem', stock.chainPem);
  write('server.key', stock.keyPem);
}

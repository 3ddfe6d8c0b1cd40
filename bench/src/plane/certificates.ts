/** Certificates as the bootstraps name them: the caller is cart, the server is stock; ECDSA on P-256. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTestMesh } from '@weft/identity/testing';

export interface Certificates {
  /** Where they are. */
  readonly folder: string;
  readonly rootsPem: string;
  readonly clientPem: string;
  readonly clientKeyPem: string;
}

/** Writes what the bootstraps read to `folder`/certificates, and gives what a client needs. */
export function writeCertificates(folder: string): Certificates {
  const mesh = createTestMesh();
  const client = mesh.issue('shop', 'cart');
  const server = mesh.issue('shop', 'stock');
  const target = join(folder, 'certificates');
  mkdirSync(target, { recursive: true });
  const write = (name: string, text: string) => writeFileSync(join(target, name), text, { mode: 0o600 });
  write('roots.pem', mesh.rootPem);
  write('client.pem', client.chainPem);
  write('client.key', client.keyPem);
  write('server.pem', server.chainPem);
  write('server.key', server.keyPem);
  return { folder: target, rootsPem: mesh.rootPem, clientPem: client.chainPem, clientKeyPem: client.keyPem };
}

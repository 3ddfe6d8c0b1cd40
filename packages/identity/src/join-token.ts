/**
 * Join tokens: `weft1.<id>.<secret>.<SHA-256 of the root's public key>`. The first three parts prove to the CA that
 * somebody may join; the last lets whoever joins know the mesh before it trusts anything.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { WeftError } from '@weft/contracts/error';

export interface JoinTokenParts {
  /** 16 hexadecimal digits. */
  readonly id: string;
  /** 32 octets in base64url. */
  readonly secret: string;
  /** SHA-256 of the SubjectPublicKeyInfo of the mesh's root. */
  readonly rootHash: Buffer;
}

const PATTERN = /^weft1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/;

/** A new token for the mesh whose root has that public key hash. */
export function createJoinToken(rootHash: Buffer): JoinTokenParts {
  return { id: randomBytes(8).toString('hex'), secret: randomBytes(32).toString('base64url'), rootHash };
}

export function formatJoinToken({ id, secret, rootHash }: JoinTokenParts): string {
  return `weft1.${id}.${secret}.${rootHash.toString('base64url')}`;
}

/** Reads a token; white space around it is passed over. Throws `WeftError` INVALID_ARGUMENT, never naming the text. */
export function parseJoinToken(text: string): JoinTokenParts {
  const [, id, secret, hash] = PATTERN.exec(text.trim()) ?? [];
  const rootHash = Buffer.from(hash ?? '', 'base64url');
  if (id === undefined || secret === undefined || rootHash.toString('base64url') !== hash) {
    throw new WeftError(
      'INVALID_ARGUMENT',
      'the join token is not of the form weft1.<id>.<secret>.<hash>; copy it whole, or make one with: weft token create',
    );
  }
  return { id, secret, rootHash };
}

/** What the CA keeps of a secret. */
export function secretHash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Whether two octet strings are the same, in a time that does not depend on where they differ. */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** One root on disk: its key, encrypted when there is a passphrase, and its certificate, in one PEM file. */

import { toWeftError, WeftError } from '@weft/contracts/error';
import {
  type Certificate,
  derToPem,
  type Issuer,
  keyFromPem,
  keyToPem,
  parsePemCertificates,
  spkiOf,
} from '@weft/identity';
import { readIfThere, requirePrivate, writeSecret } from './files.ts';

export interface RootFileOptions {
  readonly path: string;
  readonly trustDomain: string;
  readonly passphrase: string | undefined;
}

const KEY = /-----BEGIN (?:ENCRYPTED )?PRIVATE KEY-----[\s\S]+?-----END (?:ENCRYPTED )?PRIVATE KEY-----/;

/** The trust domain that a root is of. */
function trustDomainOf(certificate: Certificate): string | undefined {
  const uri = certificate.extensions.names?.find((name) => name.type === 'uri');
  return uri?.type === 'uri' ? /^spiffe:\/\/(.+)$/.exec(uri.text)?.[1] : undefined;
}

function parse(text: string, { path, passphrase }: RootFileOptions): Issuer {
  const keyPem = KEY.exec(text)?.[0] ?? '';
  if (keyPem.includes('ENCRYPTED') && passphrase === undefined) {
    throw new WeftError(
      'FAILED_PRECONDITION',
      `the key of the CA in ${path} is encrypted: set WEFT_CA_PASSPHRASE to its passphrase`,
    );
  }
  try {
    const isEncrypted = keyPem.includes('ENCRYPTED');
    const privateKey = keyFromPem(keyPem, isEncrypted ? passphrase : undefined);
    const [certificate] = parsePemCertificates(text);
    if (!certificate?.spki.equals(spkiOf(privateKey))) throw new Error('its key is not that of its certificate');
    return { certificate, privateKey };
  } catch (cause) {
    throw new WeftError(
      'FAILED_PRECONDITION',
      `the root of the CA in ${path} cannot be used: ${toWeftError(cause).message}; restore the file, or move it away for a new root, after which every agent has to join again`,
      { cause },
    );
  }
}

/** Writes a root, in place of the one in the file. */
export function writeRoot(root: Issuer, { path, passphrase }: RootFileOptions): void {
  writeSecret(path, keyToPem(root.privateKey, passphrase) + derToPem(root.certificate.der));
}

/**
 * Reads a root; undefined where there is no file. A key in clear is encrypted once there is a passphrase. Throws
 * `WeftError` FAILED_PRECONDITION: open to others, encrypted and no passphrase, unreadable, or of another trust domain.
 */
export function readRoot(options: RootFileOptions): Issuer | undefined {
  const { path, trustDomain, passphrase } = options;
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  requirePrivate(path);
  const root = parse(text, options);
  const found = trustDomainOf(root.certificate);
  if (found !== trustDomain) {
    throw new WeftError(
      'FAILED_PRECONDITION',
      `the root of the CA in ${path} is of the trust domain ${JSON.stringify(found)}, and ${JSON.stringify(trustDomain)} was asked for: start with that trust domain, or with another folder`,
    );
  }
  if (passphrase !== undefined && !text.includes('ENCRYPTED')) writeRoot(root, options);
  return root;
}

/**
 * How an agent that knows of the mesh no more than the hash in its token comes to the mesh's root: it takes the root from
 * the handshake of the server that it joins at, and trusts it only when its key has that hash.
 */
import { X509Certificate } from 'node:crypto';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { splitAddress } from '@weft/contracts/address';
import { WeftError } from '@weft/contracts/error';
import { parseCertificate, publicKeyHash } from '@weft/identity';

const TIMEOUT_MS = 5000;

/** Every certificate that the server has shown, DER. */
function shown(socket: TLSSocket): readonly Buffer[] {
  const found: Buffer[] = [];
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (certificate?.raw && !found.some((raw) => raw.equals(certificate?.raw ?? raw))) {
    found.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  return found;
}

function handshake(address: string): Promise<readonly Buffer[]> {
  const { host, port } = splitAddress(address);
  return new Promise((resolve, reject) => {
    // Nothing is sent over this connection: it shows who is there, and is closed.
    const socket = connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    const fail = (cause: Error) => {
      socket.destroy();
      reject(unreachable(address, cause));
    };
    socket.setTimeout(TIMEOUT_MS, () => fail(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    socket.once('error', fail);
    socket.once('secureConnect', () => {
      const certificates = shown(socket);
      socket.destroy();
      resolve(certificates);
    });
  });
}

function unreachable(address: string, cause: Error): WeftError {
  const code = 'code' in cause ? cause.code : undefined;
  const reason = code === 'ECONNREFUSED' ? 'nothing listens there' : cause.message;
  return new WeftError(
    'UNAVAILABLE',
    `the control plane cannot be reached at ${address}: ${reason}; start it with weft up, or name its address with --join`,
    { source: 'control-plane', cause },
  );
}

function hasHash(der: Buffer, hash: Buffer): boolean {
  try {
    return publicKeyHash(parseCertificate(der)).equals(hash);
  } catch {
    // A certificate that the mesh would not issue is not its root.
    return false;
  }
}

/** The root, PEM, whose public key has that SHA-256. Throws `WeftError` UNAVAILABLE, or UNAUTHENTICATED when it is not shown. */
export async function fetchRoot(address: string, hash: Buffer): Promise<string> {
  const certificates = await handshake(address);
  const root = certificates.find((der) => hasHash(der, hash));
  if (root) return new X509Certificate(root).toString();
  throw new WeftError(
    'UNAUTHENTICATED',
    `the server at ${address} is not of the mesh that the join token is for: check the address, or take a token of that mesh`,
    { source: 'control-plane' },
  );
}

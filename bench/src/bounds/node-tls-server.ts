/**
 * The least that a TLS server of Node can do: a handshake with the settings of Weft's proxy, and the same answer to whatever comes.
 * Started as a process of its own with the folder of the certificates; prints its ports as JSON once it listens.
 */
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';

const ANSWER = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');

const [folder = '.'] = process.argv.slice(2);
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

function listen(requestCert: boolean): Promise<number> {
  const roots = read('roots.pem');
  const server = createServer({
    // The chain with its root: otherwise OpenSSL looks for it in each handshake.
    cert: `${read('server.pem').trimEnd()}\n${roots}`,
    key: read('server.key'),
    ca: roots,
    ciphers: 'TLS_AES_128_GCM_SHA256',
    requestCert,
    rejectUnauthorized: requestCert,
  });
  server.on('secureConnection', (socket) => {
    socket.on('data', () => socket.write(ANSWER));
    // A client that leaves with a reset is no matter here.
    socket.on('error', () => socket.destroy());
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

console.log(JSON.stringify({ mutual: await listen(true), 'server-only': await listen(false) }));

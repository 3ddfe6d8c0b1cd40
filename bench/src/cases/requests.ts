/** Requests of HTTP/1.1 load. */

/** A request without a body, with the fields that clients send. */
export function getRequest(host: string, path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: weft-bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n`;
}

/** Hosts and paths that lead through every kind of match in `http1.yaml`. */
export const MIXED_REQUESTS: readonly string[] = [
  getRequest('shop.mesh', '/'),
  getRequest('shop.mesh', '/cart/items?page=2'),
  getRequest('shop.mesh', '/health'),
  getRequest('stock.mesh', '/items/4711/price'),
  getRequest('stock.mesh', '/items/4711/availability?zone=a'),
  getRequest('de.images.mesh', '/logo.png'),
  getRequest('other.mesh', '/anything/else'),
];

export const SMALL_BODY = { bodyBytes: 256 } as const;
export const CONNECTIONS = 32;

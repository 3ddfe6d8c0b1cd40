/** The client side of TLS that believes anybody; for tests. */
import type { TlsClient } from '../../net/connect.ts';

/** Tells what was offered. */
export class AnyTls implements TlsClient {
  readonly offered: string[] = [];

  options(alpn: readonly string[]) {
    this.offered.push(alpn.join(','));
    return { ALPNProtocols: [...alpn] };
  }

  verify(): undefined {
    return undefined;
  }

  onHandshake(): void {
    // Nothing is counted.
  }

  onError(): void {
    // Nothing is counted.
  }
}

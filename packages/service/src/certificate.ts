/** The certificate of a control-plane server: asked of ca over the bus, renewed at half of its life. */
import { X509Certificate } from 'node:crypto';
import type { Bus } from '@weft/bus';
import { calls, states, type TrustBundle } from '@weft/contracts/bus';
import { chainToPem, createCsr, generateKey, keyToPem } from '@weft/identity';
import { changingTls, type TlsSource } from '@weft/rpc';
import type { Logger } from 'pino';
import { pause, retryForever } from './retry.ts';
import type { Clock, ServiceName } from './types.ts';

/** A certificate is renewed at least this often: timers cannot wait much longer. */
const MAX_WAIT_MS = 24 * 3_600_000;

export interface CertificateOptions {
  readonly bus: Bus;
  readonly service: ServiceName;
  readonly log: Logger;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface ServerCertificate {
  readonly tls: TlsSource;
  /** Renews, and follows the trust bundle, until the signal aborts. */
  keep(): Promise<void>;
}

interface Issued {
  readonly chainPem: string;
  readonly keyPem: string;
  readonly notAfterMs: number;
}

async function issue({ bus, service, signal }: CertificateOptions): Promise<Issued> {
  const key = generateKey();
  const { chain, notAfterMs } = await bus.call(
    calls.issueServiceCertificate,
    { service, csr: createCsr(key) },
    { signal },
  );
  return { chainPem: chainToPem(chain), keyPem: keyToPem(key), notAfterMs };
}

function issueWhenPossible(options: CertificateOptions): Promise<Issued> {
  const { signal, log } = options;
  let told = false;
  return retryForever(() => issue(options), {
    signal,
    onFailure: (err) => {
      if (!told) log.warn({ err }, 'no certificate from ca yet; it is asked for again until it answers');
      told = true;
    },
  });
}

/** The first bundle that is published. */
async function firstBundle(options: CertificateOptions): Promise<TrustBundle> {
  const over = new AbortController();
  try {
    for await (const event of options.bus.state(states.trust).watch(AbortSignal.any([options.signal, over.signal]))) {
      if (event.type === 'put') return event.value;
    }
    throw options.signal.reason;
  } finally {
    over.abort();
  }
}

/** The root of the bundle that signed a chain; undefined when none did. */
function issuingRoot(chainPem: string, roots: readonly string[]): string | undefined {
  const leaf = new X509Certificate(chainPem);
  return roots.find((pem) => {
    const root = new X509Certificate(pem);
    return leaf.checkIssued(root) && leaf.verify(root.publicKey);
  });
}

/** Resolves once ca has issued a certificate and published the roots; ca may start later than this. */
export async function serverCertificate(options: CertificateOptions): Promise<ServerCertificate> {
  const { bus, clock, log, signal } = options;
  let issued = await issueWhenPossible(options);
  let roots = (await firstBundle(options)).roots;
  let rootChanged = new AbortController();
  // Node servers show the root at the end of their chain: an agent that joins knows no more of it than its hash.
  const material = () => ({
    chainPem: issued.chainPem + (issuingRoot(issued.chainPem, roots) ?? ''),
    keyPem: issued.keyPem,
    rootsPem: roots,
  });
  const tls = changingTls(material());
  const renew = async (): Promise<void> => {
    while (!signal.aborted) {
      const remainingMs = issued.notAfterMs - clock.now();
      const waitMs = Math.min(MAX_WAIT_MS, Math.max(200, (remainingMs / 2) * (0.9 + Math.random() / 10)));
      await pause(waitMs, AbortSignal.any([signal, rootChanged.signal]));
      if (signal.aborted) return;
      rootChanged = new AbortController();
      issued = await issueWhenPossible(options);
      tls.set(material());
      log.debug({ notAfter: new Date(issued.notAfterMs).toISOString() }, "the server's certificate was renewed");
    }
  };
  const followTrust = async (): Promise<void> => {
    for await (const event of bus.state(states.trust).watch(signal)) {
      if (event.type !== 'put') continue;
      const [signing] = roots;
      roots = event.value.roots;
      tls.set(material());
      // Who joins with a token of today knows the root that signs now, and no other.
      if (roots[0] !== signing) rootChanged.abort();
    }
  };
  return {
    tls,
    keep: async () => {
      await Promise.all([renew(), followTrust()]);
    },
  };
}

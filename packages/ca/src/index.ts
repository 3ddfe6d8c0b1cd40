/** The certificate authority: issues SVIDs, keeps and rotates the roots, publishes the trust bundle. */
import { states } from '@weft/contracts/bus';
import { toWeftError, WeftError } from '@weft/contracts/error';
import { Identity } from '@weft/contracts/node';
import { derToPem, isTrustDomain, publicKeyHash } from '@weft/identity';
import { typedService } from '@weft/rpc';
import { instanceDirectory, pause, type RunningService, retryForever, type StartService } from '@weft/service';
import { type Ca, identityHandlers, serveCalls } from './handlers.ts';
import { MeshView } from './mesh-view.ts';
import { caMetrics } from './metrics.ts';
import { Roots } from './roots.ts';
import { keepTokenFile } from './tokens.ts';
import { BUNDLE_KEY, holdsAll, publishTrust } from './trust.ts';

export interface CaOptions {
  /** The folder of the root's key and certificate; made with mode 0700 where there is none. */
  readonly dir: string;
  /** `shop.example`; the trust domain of every identity. */
  readonly trustDomain: string;
  /** How long the certificates of workloads are valid; default 24 h, at least 2 s. */
  readonly svidLifeMs?: number;
  /** How long roots are valid; default 10 years. The next takes over in the last fifth. */
  readonly rootLifeMs?: number;
  /** Encrypts the root's key on disk. */
  readonly passphrase?: string;
  /** Where a join token is kept that allows anybody; none is when left out. */
  readonly bootstrapTokenFile?: string;
}

const DAY_MS = 86_400_000;
const MIN_SVID_LIFE_MS = 2000;
/** How often instances are looked at that fell silent. */
const REFRESH_MS = 1000;

function check({
  trustDomain,
  svidLifeMs,
  rootLifeMs,
}: Required<Pick<CaOptions, 'trustDomain' | 'svidLifeMs' | 'rootLifeMs'>>): void {
  const refuse = (message: string): never => {
    throw new WeftError('INVALID_ARGUMENT', message);
  };
  if (!isTrustDomain(trustDomain)) {
    refuse(
      `${JSON.stringify(trustDomain)} is no trust domain: expected lower-case letters, digits, dots, hyphens and underscores`,
    );
  }
  if (!(svidLifeMs >= MIN_SVID_LIFE_MS)) refuse(`certificates cannot live for ${svidLifeMs} ms: expected 2 s or more`);
  if (!(rootLifeMs > svidLifeMs))
    refuse(`a root of ${rootLifeMs} ms would end before a certificate of ${svidLifeMs} ms`);
}

class CaService implements RunningService {
  readonly name = 'ca';
  readonly node;
  readonly anonymousMethods = [Identity.join.path];
  readonly admin = [];
  readonly #ca: Ca;
  readonly #tokenFile: string | undefined;
  readonly #loops: readonly Promise<void>[];
  #trouble: string | undefined = 'the trust bundle is not published yet';

  constructor(ca: Ca, tokenFile: string | undefined) {
    this.#ca = ca;
    this.#tokenFile = tokenFile;
    this.node = [typedService(Identity, identityHandlers(ca))];
    this.#loops = [this.#open(), this.#followTrust(), this.#followInstances(), this.#refresh(), this.#rotate()];
  }

  notReadyBecause(): string | undefined {
    return this.#trouble ?? this.#ca.context.bus.trouble();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#loops);
  }

  /** Runs until it has succeeded or the service stops; what goes wrong meanwhile is why the service is not ready. */
  async #insist(what: string, work: () => Promise<void>): Promise<void> {
    const { signal, log } = this.#ca.context;
    let told = '';
    const onFailure = (err: unknown): void => {
      const { message } = toWeftError(err);
      this.#trouble = `${what}: ${message}`;
      if (message !== told) log.warn({ err }, `${what}; it is tried again`);
      told = message;
    };
    try {
      await retryForever(work, { signal, onFailure });
      this.#trouble = undefined;
    } catch (thrown) {
      if (!signal.aborted) throw thrown;
    }
  }

  /** Publishes the roots, then the token, and only then answers: who gets a certificate can be trusted by all. */
  async #open(): Promise<void> {
    await this.#publish();
    if (!this.#ca.context.signal.aborted)
      await this.#insist('calls cannot be served on the bus', () => serveCalls(this.#ca));
  }

  #publish(): Promise<void> {
    const { context, roots, trustDomain, metrics } = this.#ca;
    metrics.rootNotAfter.set(Math.floor(roots.active.certificate.notAfterMs / 1000));
    return this.#insist('the trust bundle cannot be published', async () => {
      const own = roots.all.map(({ certificate }) => certificate);
      await publishTrust(context.bus, own, trustDomain, context.clock.now());
      if (this.#tokenFile === undefined) return;
      const rootHash = publicKeyHash(roots.active.certificate);
      await keepTokenFile(this.#tokenFile, context.bus.state(states.tokens), rootHash, context.clock.now());
    });
  }

  /** Follows what everyone trusts, and puts the own roots back should somebody have taken them out. */
  async #followTrust(): Promise<void> {
    const { context, roots, mesh } = this.#ca;
    const { bus, signal } = context;
    await this.#repeat('the trust bundle cannot be followed', async () => {
      for await (const event of bus.state(states.trust).watch(signal)) {
        if (event.type !== 'put' || event.key !== BUNDLE_KEY) continue;
        mesh.setRoots(event.value.roots);
        const own = roots.all.map(({ certificate }) => certificate);
        if (!holdsAll(event.value, own)) await this.#publish();
      }
    });
  }

  #followInstances(): Promise<void> {
    const { directory } = this.#ca;
    return this.#repeat('instances cannot be followed', () => directory.follow(this.#ca.context.signal));
  }

  /** Runs what ends only by an error, again and again, until the service stops. */
  async #repeat(what: string, work: () => Promise<void>): Promise<void> {
    const { signal, log } = this.#ca.context;
    while (!signal.aborted) {
      try {
        await work();
      } catch (err) {
        if (!signal.aborted) log.warn({ err }, `${what}; it is tried again`);
      }
      if (!signal.aborted) await pause(REFRESH_MS, signal);
    }
  }

  async #refresh(): Promise<void> {
    const { context, mesh, directory } = this.#ca;
    directory.onChange(() => mesh.refresh(), context.signal);
    while (!context.signal.aborted) {
      await pause(REFRESH_MS, context.signal);
      mesh.refresh();
    }
  }

  async #rotate(): Promise<void> {
    const { context, roots } = this.#ca;
    const { signal, clock, log } = context;
    while (!signal.aborted) {
      await pause(roots.checkEveryMs, signal);
      if (signal.aborted) return;
      try {
        const change = roots.rotate(clock.now());
        if (change === 'none') continue;
        log.info(change === 'prepared' ? 'the next root was made' : 'the next root signs from now on');
      } catch (err) {
        // The root that signs goes on; the disk may have room again by the next look.
        log.error({ err }, 'the root could not be rotated; it is tried again');
        continue;
      }
      await this.#publish();
    }
  }
}

/**
 * Starts the CA. Throws `WeftError` INVALID_ARGUMENT for options that cannot be, FAILED_PRECONDITION for a root on disk
 * that cannot be used. It becomes ready by itself once the bus can be reached.
 */
export const startCa: StartService<CaOptions> = async (context, options) => {
  const { dir, trustDomain, svidLifeMs = DAY_MS, rootLifeMs = 3650 * DAY_MS, passphrase } = options;
  check({ trustDomain, svidLifeMs, rootLifeMs });
  const roots = new Roots({ dir, trustDomain, rootLifeMs, passphrase }, context.clock.now());
  const directory = instanceDirectory(context.bus, context.clock);
  const own = roots.all.map(({ certificate }) => derToPem(certificate.der));
  const mesh = new MeshView(directory, trustDomain, own);
  const metrics = caMetrics(context.metrics);
  return new CaService(
    { context, trustDomain, svidLifeMs, roots, directory, mesh, metrics },
    options.bootstrapTokenFile,
  );
};

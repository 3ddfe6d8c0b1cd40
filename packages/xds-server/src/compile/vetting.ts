/** Routes are tried one by one before they are compiled together, so that a bad one is found and spoils no other. */
import type { Problem } from '@weft/contracts/bus';
import { encode } from '@weft/envoy-api';
import { keyText, type MeshService, type ResourceOf, resourceKey } from '@weft/model';
import { translateHttpRoutes } from '@weft/policies';
import { Memo } from './memo.ts';

type Route = ResourceOf<'HTTPRoute'>;

interface Verdict {
  /** The route, an earlier version of it that was good, or nothing. */
  readonly route: Route | undefined;
  readonly problem: Problem | undefined;
}

function judge(route: Route, before: Verdict | undefined): Verdict {
  try {
    for (const compiled of translateHttpRoutes([route], () => undefined))
      encode('envoy.config.route.v3.Route', compiled);
    return { route, problem: undefined };
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const state = before?.route ? `stays as it was at revision ${before.route.revision}` : 'is left out';
    const message = `${keyText(route)} ${state}: ${reason}`;
    return { route: before?.route, problem: { key: resourceKey(route), message, revision: route.revision } };
  }
}

export class Vetting {
  readonly #verdicts = new Memo<Verdict>();
  readonly #services = new Memo<MeshService>();

  /** The service with those of its routes that can be compiled. */
  vet(service: MeshService): MeshService {
    const { httpRoutes } = service;
    if (httpRoutes.length === 0) return service;
    const verdicts = httpRoutes.map((route) =>
      this.#verdicts.get(keyText(route), [route], (before) => judge(route, before)),
    );
    if (verdicts.every(({ route }, index) => route === httpRoutes[index])) return service;
    return this.#services.get(service.key, [service, ...verdicts], () => ({
      ...service,
      httpRoutes: verdicts.flatMap(({ route }) => (route ? [route] : [])),
    }));
  }

  problems(): readonly Problem[] {
    return [...this.#verdicts.values()].flatMap(({ problem }) => (problem ? [problem] : []));
  }

  sweep(): void {
    this.#verdicts.sweep();
    this.#services.sweep();
  }
}

/** What discovery needs of the configuration: which service accounts each `Service` resource lists. */
import type { ChangeSet, Operation } from '@weft/contracts/bus';

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

/** Of a resource's JSON; empty where it lists none, or cannot be read: then nobody but its namesake may be the service. */
function accountsOf(json: string): readonly string[] {
  try {
    return strings(field(field(JSON.parse(json), 'spec'), 'serviceAccounts'));
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return [];
    throw thrown;
  }
}

/** The fold of the configuration log, as far as discovery reads it. */
export class DeclaredServices {
  readonly #accounts = new Map<string, readonly string[]>();

  apply(changeSet: ChangeSet): void {
    for (const operation of changeSet.operations) this.#applyOperation(operation);
  }

  #applyOperation({ action, key, json }: Operation): void {
    if (key?.kind !== 'Service') return;
    const name = `${key.namespace}/${key.name}`;
    if (action === 'DELETE') this.#accounts.delete(name);
    else this.#accounts.set(name, accountsOf(json));
  }

  accounts(namespace: string, service: string): readonly string[] | undefined {
    return this.#accounts.get(`${namespace}/${service}`);
  }
}

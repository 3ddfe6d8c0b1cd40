/**
 * The runtime: values that decide how much of something is done, and that the admin interface can change while the proxy
 * runs (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/operations/runtime).
 */
import type { LayeredRuntimeConfig, RuntimeFlag, RuntimeShare } from '../config/runtime.ts';
import { flatten, type RuntimeValue, valueOfText } from './value.ts';

interface Layer {
  readonly name: string;
  readonly isAdmin: boolean;
  values: Map<string, RuntimeValue>;
}

/** `runtime.` */
export class RuntimeStats {
  admin_overrides_active = 0;
  deprecated_feature_seen_since_process_start = 0;
  deprecated_feature_use = 0;
  load_error = 0;
  load_success = 0;
  num_keys = 0;
  num_layers = 0;
  override_dir_exists = 0;
  override_dir_not_exists = 0;
}

/** The same where a control plane has a layer. */
export class SubscribedRuntimeStats extends RuntimeStats {
  config_reload = 0;
  init_fetch_timeout = 0;
  update_attempt = 0;
  update_failure = 0;
  update_rejected = 0;
  update_success = 0;
  update_time = 0;
  version = 0;
}

/** What `/runtime` shows of one value: '' where a layer says nothing of it. */
export interface ShownValue {
  readonly final_value: string;
  readonly layer_values: readonly string[];
}

/** A name and its new value; '' takes a change back. */
export type RuntimeChange = readonly [key: string, value: string];

export class Runtime {
  readonly stats: RuntimeStats;
  readonly #layers: readonly Layer[];
  readonly #random: () => number;
  /** What holds: of each name the last layer's value. */
  #values: ReadonlyMap<string, RuntimeValue> = new Map();

  /** `random`: from 0 up to 1, 1 excluded. */
  constructor(config: LayeredRuntimeConfig | undefined, random: () => number, stats = new RuntimeStats()) {
    this.#layers = (config?.layers ?? []).map(({ name, static_layer, admin_layer }) => ({
      name,
      isAdmin: admin_layer !== undefined,
      values: flatten(static_layer ?? {}),
    }));
    this.#random = random;
    this.stats = stats;
    this.#load();
  }

  #load(): void {
    const values = new Map<string, RuntimeValue>();
    for (const layer of this.#layers) for (const [key, value] of layer.values) values.set(key, value);
    this.#values = values;
    this.stats.load_success++;
    this.stats.override_dir_not_exists++;
    this.stats.num_keys = values.size;
    this.stats.num_layers = this.#layers.length;
  }

  /** Whether this time is one of the share. */
  isEnabled(share: RuntimeShare): boolean {
    const value = this.#values.size === 0 || share.key === '' ? undefined : this.#values.get(share.key);
    if (value?.share) return this.#falls(value.share.numerator, value.share.denominator);
    if (value?.integer !== undefined) return this.#falls(value.integer, 100);
    return this.#falls(share.numerator, share.denominator);
  }

  #falls(numerator: number, denominator: number): boolean {
    if (numerator <= 0) return false;
    return numerator >= denominator || this.#random() * denominator < numerator;
  }

  /** Whether a thing is on. */
  isOn({ key, isOn }: RuntimeFlag): boolean {
    return this.#values.get(key)?.flag ?? isOn;
  }

  /** A number that is whole and not negative; `otherwise` where there is no such value. */
  integer(key: string, otherwise: number): number {
    return this.#values.get(key)?.integer ?? otherwise;
  }

  /** Any number; `otherwise` where there is no such value. */
  number(key: string, otherwise: number): number {
    return this.#values.get(key)?.number ?? otherwise;
  }

  /** As it was written; undefined where there is none. */
  text(key: string): string | undefined {
    return this.#values.get(key)?.text;
  }

  /**
   * Puts values in the layer of the admin interface; '' takes one of that layer away again. False: there is no such
   * layer.
   */
  override(changes: readonly RuntimeChange[]): boolean {
    const layer = this.#layers.find(({ isAdmin }) => isAdmin);
    if (!layer) return false;
    for (const [key, text] of changes) {
      if (text === '') layer.values.delete(key);
      else layer.values.set(key, valueOfText(text));
    }
    this.stats.admin_overrides_active = layer.values.size > 0 ? 1 : 0;
    this.#load();
    return true;
  }

  /** Takes what a control plane says of a layer, in place of what it said before. */
  setLayer(name: string, values: Readonly<Record<string, unknown>>): void {
    const layer = this.#layers.find((one) => one.name === name);
    if (!layer) return;
    layer.values = flatten(values);
    this.#load();
  }

  /** What each layer says, in the form of `/runtime`. */
  shown(): { readonly layers: readonly string[]; readonly entries: Readonly<Record<string, ShownValue>> } {
    const entries = [...this.#values].map(([key, { text }]): [string, ShownValue] => [
      key,
      { final_value: text, layer_values: this.#layers.map(({ values }) => values.get(key)?.text ?? '') },
    ]);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return { layers: this.#layers.map(({ name }) => name), entries: Object.fromEntries(entries) };
  }
}

/** Values of which a part of the name is known late: `ssl.ciphers.TLS_AES_128_GCM_SHA256`. */
export interface NamedOptions {
  readonly type: 'counter' | 'gauge';
  /** Under which Prometheus gets that part. */
  readonly label: string;
  /** What stands behind that part. */
  readonly suffix?: string;
}

/** Values that can be sent to another thread. */
export interface PlainNamed extends NamedOptions {
  readonly values: readonly (readonly [name: string, value: number])[];
}

export class NamedValues {
  readonly options: NamedOptions;
  readonly #values = new Map<string, number>();
  /** Gauges that are worked out when they are first asked for. */
  readonly #late = new Map<string, () => number>();

  constructor(options: NamedOptions) {
    this.options = options;
  }

  count(name: string): void {
    this.#values.set(name, (this.#values.get(name) ?? 0) + 1);
  }

  /** `work` is called at most once. */
  setLate(name: string, work: () => number): void {
    this.#late.set(name, work);
  }

  get values(): ReadonlyMap<string, number> {
    for (const [name, work] of this.#late) this.#values.set(name, work());
    this.#late.clear();
    return this.#values;
  }

  plain(): PlainNamed {
    return { ...this.options, values: [...this.values] };
  }

  /** What both counted together; gauges are alike in all threads. */
  static sum(own: NamedValues | undefined, { values, ...options }: PlainNamed): NamedValues {
    const total = new NamedValues(options);
    for (const [name, value] of own?.values ?? []) total.#values.set(name, value);
    for (const [name, value] of values) {
      const before = options.type === 'counter' ? (total.#values.get(name) ?? 0) : 0;
      total.#values.set(name, before + value);
    }
    return total;
  }

  reset(): void {
    if (this.options.type === 'gauge') return;
    for (const name of this.#values.keys()) this.#values.set(name, 0);
  }
}

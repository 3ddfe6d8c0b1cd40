/** Certificates as servers and clients take them. */
import type { TlsMaterial, TlsSource } from './types.ts';

/** TLS material that never changes. */
export function fixedTls(material: TlsMaterial): TlsSource {
  return { current: () => material, onChange: () => undefined };
}

/** TLS material that is replaced with `set`, which tells all listeners. */
export function changingTls(initial: TlsMaterial): TlsSource & { set(material: TlsMaterial): void } {
  const listeners = new Set<() => void>();
  let current = initial;
  return {
    current: () => current,
    onChange(listener, signal) {
      if (signal.aborted) return;
      listeners.add(listener);
      signal.addEventListener('abort', () => listeners.delete(listener), { once: true });
    },
    set(material) {
      current = material;
      for (const listener of [...listeners]) listener();
    },
  };
}

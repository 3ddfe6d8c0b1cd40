/** Bootstraps of `bench/bootstrap`, with the ports of one run filled in. */
import { readFileSync } from 'node:fs';

/** The text of a bootstrap. */
export function bootstrapText(name: string): string {
  return readFileSync(new URL(`../../bootstrap/${name}`, import.meta.url), 'utf8');
}

/** The port of the admin interface in every bootstrap. */
export const ADMIN_PORT = 9901;

/** Ports that `ports` names become what it says; the others, those of listeners, 0: the proxy finds a free one. */
export function fillPorts(text: string, ports: Readonly<Record<number, number>>): string {
  return text.replaceAll(
    /(port_value"?: ?)(\d+)/g,
    (_all, before: string, port: string) => `${before}${ports[Number(port)] ?? 0}`,
  );
}

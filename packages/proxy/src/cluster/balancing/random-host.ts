/** Any host, each as likely as another, whatever its weight (`RANDOM`). */
import type { Random } from '../balancer.ts';
import type { Host } from '../host.ts';
import { type HostPicker, NO_HOSTS } from './host-picker.ts';

export class RandomHost implements HostPicker {
  readonly #random: Random;
  hosts: readonly Host[] = NO_HOSTS;

  constructor(random: Random) {
    this.#random = random;
  }

  update(hosts: readonly Host[]): void {
    this.hosts = hosts;
  }

  pick(): Host | undefined {
    return this.hosts[Math.floor(this.#random() * this.hosts.length)];
  }
}

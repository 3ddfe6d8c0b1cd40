/** What a registration must look like. Everything that is wrong with it is told at once. */
import { isIP } from 'node:net';
import type { Health, Protocol, Workload, WorkloadPort } from '@weft/contracts/bus';
import { isLabel } from '@weft/identity';

/** What is wrong at one place of a registration: `workload.ports[0].inbound_port: expected …`. */
export interface Violation {
  readonly path: string;
  readonly message: string;
}

type Report = (path: string, message: string) => void;

const WORKLOAD_ID = /^[a-z0-9](?:[a-z0-9-]{0,126}[a-z0-9])?$/;
const INCARNATION = /^[A-Za-z0-9-]{1,64}$/;
const LABEL_KEY = /^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;
/** Labels that the mesh gives by itself, from what a certificate proves. */
const OWN_LABELS = ['service', 'namespace'];

const MAX_LABELS = 32;
const MAX_PORTS = 16;
const MAX_UPSTREAMS = 256;

const HEALTHS: Readonly<Record<Health, true>> = { STARTING: true, READY: true, UNREADY: true, DRAINING: true };
const PROTOCOLS: Readonly<Record<Protocol, true>> = { HTTP: true, TCP: true };

/** Whether a text can name a workload: lower-case letters, digits and `-`, at most 128. */
export function isWorkloadId(text: string): boolean {
  return WORKLOAD_ID.test(text);
}

/** Whether a value that was decoded from the wire is a health that this version knows. */
export function isHealth(value: Health): boolean {
  return Object.hasOwn(HEALTHS, value);
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 65_535;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function checkNames(workload: Workload, report: Report): void {
  if (!isWorkloadId(workload.id)) {
    report('id', `${quote(workload.id)}: expected at most 128 lower-case letters, digits and "-"`);
  }
  for (const field of ['namespace', 'service'] as const) {
    if (!isLabel(workload[field])) {
      report(field, `${quote(workload[field])}: expected a DNS label: at most 63 lower-case letters, digits and "-"`);
    }
  }
  if (!INCARNATION.test(workload.incarnation)) {
    report('incarnation', `${quote(workload.incarnation)}: expected 1 to 64 letters, digits and "-"`);
  }
  if (workload.host.length > 253) report('host', 'expected at most 253 characters');
}

/** An address that other machines can be told: neither unspecified nor multicast, without a zone. */
function checkAddress(address: string, report: Report): void {
  const version = isIP(address);
  if (version === 0 || address.includes('%')) {
    report('address', `${quote(address)}: expected an IP address, such as 10.0.0.7`);
    return;
  }
  const first = Number.parseInt(address, 10);
  const unspecified = version === 4 ? first === 0 : /^[0:]+(?:0\.0\.0\.0)?$/.test(address);
  const multicast = version === 4 ? first >= 224 : /^ff/i.test(address);
  if (unspecified || multicast) {
    report('address', `${quote(address)}: expected the address of one machine, at which other proxies reach this one`);
  }
}

function checkLabels(labels: Workload['labels'], report: Report): void {
  const entries = Object.entries(labels);
  if (entries.length > MAX_LABELS) report('labels', `${entries.length} labels: expected at most ${MAX_LABELS}`);
  for (const [key, value] of entries.slice(0, MAX_LABELS)) {
    const path = `labels[${quote(key)}]`;
    if (OWN_LABELS.includes(key)) report(path, 'is set by the mesh; choose another key');
    else if (!LABEL_KEY.test(key)) report(path, 'expected a key of at most 128 letters, digits, "-", "_", "." and "/"');
    if (!LABEL_VALUE.test(value)) {
      report(path, `${quote(value)}: expected at most 63 letters, digits, "-", "_" and "."`);
    }
  }
}

/** Tells of ports that are out of range, or that something else of the workload listens on. */
class PortBook {
  readonly #taken = new Map<number, string>();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  take(port: number, path: string): void {
    if (!isPort(port)) this.#report(path, `${port}: expected a port from 1 to 65535`);
    else if (this.#taken.has(port)) this.#report(path, `${port}: is ${this.#taken.get(port)} too`);
    else this.#taken.set(port, path);
  }
}

function checkPorts(ports: readonly WorkloadPort[], taken: PortBook, report: Report): void {
  if (ports.length > MAX_PORTS) report('ports', `${ports.length} ports: expected at most ${MAX_PORTS}`);
  ports.slice(0, MAX_PORTS).forEach((port, index) => {
    taken.take(port.applicationPort, `ports[${index}].application_port`);
    taken.take(port.inboundPort, `ports[${index}].inbound_port`);
    if (!Object.hasOwn(PROTOCOLS, port.protocol)) {
      report(`ports[${index}].protocol`, `${port.protocol}: expected HTTP or TCP`);
    }
  });
}

function checkUpstreams(upstreams: Workload['upstreams'], taken: PortBook, report: Report): void {
  if (upstreams.length > MAX_UPSTREAMS) {
    report('upstreams', `${upstreams.length} upstreams: expected at most ${MAX_UPSTREAMS}`);
  }
  upstreams.slice(0, MAX_UPSTREAMS).forEach((upstream, index) => {
    for (const field of ['namespace', 'service'] as const) {
      if (!isLabel(upstream[field])) {
        report(`upstreams[${index}].${field}`, `${quote(upstream[field])}: expected a DNS label`);
      }
    }
    taken.take(upstream.localPort, `upstreams[${index}].local_port`);
  });
}

/** Everything that is wrong with a registration; empty when nothing is. `spiffe_id` is not looked at. */
export function validateWorkload(workload: Workload): readonly Violation[] {
  const violations: Violation[] = [];
  const report: Report = (path, message) => violations.push({ path: `workload.${path}`, message });
  const taken = new PortBook(report);
  checkNames(workload, report);
  checkAddress(workload.address, report);
  checkLabels(workload.labels, report);
  checkPorts(workload.ports, taken, report);
  if (workload.outboundPort !== 0) taken.take(workload.outboundPort, 'outbound_port');
  checkUpstreams(workload.upstreams, taken, report);
  if (!isHealth(workload.health)) report('health', `${workload.health}: expected STARTING, READY, UNREADY or DRAINING`);
  if (workload.dataPlane !== 'WEFT' && workload.dataPlane !== 'ENVOY') {
    report('data_plane', `${workload.dataPlane}: expected WEFT or ENVOY`);
  }
  return violations;
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Workload } from '@weft/contracts/bus';
import { validateWorkload } from './validate.ts';

const GOOD: Workload = {
  id: 'cart-laptop-8080',
  namespace: 'default',
  service: 'cart',
  spiffeId: '',
  labels: { version: 'v1', 'app.kubernetes.io/name': 'cart' },
  address: '10.0.0.7',
  ports: [{ applicationPort: 8080, protocol: 'HTTP', inboundPort: 15_006 }],
  outboundPort: 15_001,
  upstreams: [{ namespace: 'default', service: 'stock', localPort: 9001 }],
  dataPlane: 'WEFT',
  health: 'STARTING',
  registeredAtMs: 0,
  incarnation: 'a1',
  host: 'laptop',
};

function paths(change: Partial<Workload>): readonly string[] {
  return validateWorkload({ ...GOOD, ...change }).map(({ path }) => path);
}

test('a good registration has no violation, with IPv4, IPv6 and loopback addresses', () => {
  for (const address of ['10.0.0.7', '127.0.0.1', '2001:db8::7', '::1']) assert.deepEqual(paths({ address }), []);
});

test('every violation is told at once, with its path', () => {
  const violations = validateWorkload({
    ...GOOD,
    id: 'Cart_1',
    service: 'cart.shop',
    address: 'cart.example',
    ports: [
      { applicationPort: 0, protocol: 'HTTP', inboundPort: 15_006 },
      { applicationPort: 8080, protocol: 'HTTP', inboundPort: 15_006 },
    ],
    outboundPort: 70_000,
    incarnation: '',
  });
  assert.deepEqual(
    violations.map(({ path }) => path),
    [
      'workload.id',
      'workload.service',
      'workload.incarnation',
      'workload.address',
      'workload.ports[0].application_port',
      'workload.ports[1].inbound_port',
      'workload.outbound_port',
    ],
  );
  assert.match(violations[5]?.message ?? '', /15006: is ports\[0\]\.inbound_port too/);
});

test('addresses that are nobody in particular are refused', () => {
  for (const address of [
    '',
    '0.0.0.0',
    '::',
    '::0.0.0.0',
    '224.0.0.1',
    'ff02::1',
    'fe80::1%eth0',
    '10.0.0',
    '1.2.3.4:80',
  ]) {
    assert.deepEqual(paths({ address }), ['workload.address'], address);
  }
});

test('labels that the mesh sets by itself, and malformed ones, are refused', () => {
  assert.equal(paths({ labels: { service: 'pay' } }).length, 1);
  assert.equal(paths({ labels: { namespace: 'pay' } }).length, 1);
  assert.equal(paths({ labels: { 'a b': 'x' } }).length, 1);
  assert.equal(paths({ labels: { a: 'x y' } }).length, 1);
  assert.equal(paths({ labels: { __proto: '' } }).length, 1);
  assert.deepEqual(paths({ labels: { a: '' } }), []);
});

test('lists that are too long are refused without telling of each item', () => {
  const labels = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`k${index}`, 'v']));
  assert.deepEqual(paths({ labels }), ['workload.labels']);
  const ports = Array.from({ length: 1000 }, () => ({ applicationPort: 0, protocol: 'HTTP' as const, inboundPort: 0 }));
  assert.equal(paths({ ports }).length, 1 + 16 * 2);
});

test('enumeration values of a newer version are refused by name', () => {
  const newer = JSON.parse(JSON.stringify({ ...GOOD, health: 9, dataPlane: 7 })) as Workload;
  assert.deepEqual(
    validateWorkload(newer).map(({ path }) => path),
    ['workload.health', 'workload.data_plane'],
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '@weft/contracts/error';
import { type AgentOptions, defaultWorkloadId, settingsOf } from './options.ts';
import { SILENT } from './testing/silent-log.ts';

const GOOD: AgentOptions = {
  join: '127.0.0.1:7440',
  namespace: 'default',
  service: 'cart',
  port: 8080,
  protocol: 'http',
  dataPlane: 'weft',
  stateDir: '/nowhere',
  log: SILENT,
};

function wrong(change: Partial<AgentOptions>): string {
  try {
    settingsOf({ ...GOOD, ...change });
    return '';
  } catch (thrown) {
    assert.ok(thrown instanceof WeftError);
    assert.equal(thrown.code, 'INVALID_ARGUMENT');
    return thrown.message;
  }
}

test('what is left out has a default', () => {
  const settings = settingsOf({ ...GOOD, upstreams: [{ service: 'stock', localPort: 9001 }] });
  assert.match(settings.id, /^cart-[a-z0-9-]+-8080$/);
  assert.equal(settings.serviceAccount, 'cart');
  assert.deepEqual(settings.upstreams, [{ service: 'stock', namespace: 'default', localPort: 9001 }]);
  assert.equal(settings.drainTimeoutMs, 30_000);
});

test('a workload id is made of what an id may hold', () => {
  assert.equal(defaultWorkloadId('cart', 'Laptop_of_Ann.example.org', 8080), 'cart-laptop-of-ann-8080');
  assert.equal(defaultWorkloadId('cart', 'h', undefined), 'cart-h');
  assert.ok(defaultWorkloadId('cart', 'x'.repeat(300), 8080).length <= 128);
});

test('everything that is wrong is told at once', () => {
  const message = wrong({
    join: 'http://localhost:7440',
    namespace: 'My Shop',
    service: 'cart.shop',
    port: 0,
    upstreams: [
      { service: 'stock', localPort: 9001 },
      { service: 'pay', localPort: 9001 },
    ],
    id: 'Cart',
    health: 'healthz',
  });
  assert.match(message, /address to join "http:\/\/localhost:7440": expected host:port/);
  assert.match(message, /namespace "My Shop": expected/);
  assert.match(message, /service "cart\.shop": expected/);
  assert.match(message, /the application's port 0: expected a port/);
  assert.match(message, /local port of upstream pay 9001: is the local port of upstream stock too/);
  assert.match(message, /workload id "Cart": expected/);
  assert.match(message, /health path "healthz": expected a path that begins with \//);
});

test('a health path needs a port, and a command at least a program', () => {
  const { port: _, ...noPort } = GOOD;
  assert.throws(() => settingsOf({ ...noPort, health: '/' }), /needs the application's port/);
  assert.match(wrong({ command: [] }), /the command is empty/);
});

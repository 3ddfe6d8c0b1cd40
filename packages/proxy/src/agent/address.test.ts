import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { listen } from '../testing/listening.ts';
import { localAddressTowards } from './address.ts';
import { addressesOf } from './join.ts';

test('the address of this machine is that of the socket which reaches the control plane', async (t) => {
  assert.equal(await localAddressTowards(`127.0.0.1:${await listen(t, createServer())}`), '127.0.0.1');
  assert.equal(await localAddressTowards('127.0.0.1:1'), undefined);
});

test('addresses are kept where nothing is told, and led to the machine joined at where they name none', () => {
  const before = { ca: ['a:1'], discovery: ['a:1'], xds: ['a:1'], telemetry: ['a:1'] };
  const told = {
    trustDomain: 'mesh.test',
    roots: [],
    caAddresses: ['0.0.0.0:7441'],
    discoveryAddresses: ['[::]:7442', 'b:7442'],
    xdsAddresses: [],
    telemetryAddresses: ['c:7444'],
  };
  assert.deepEqual(addressesOf(told, before, '10.0.0.1:7441'), {
    ca: ['10.0.0.1:7441'],
    discovery: ['10.0.0.1:7442', 'b:7442'],
    xds: ['a:1'],
    telemetry: ['c:7444'],
  });
});

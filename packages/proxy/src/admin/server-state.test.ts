import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyOf } from './answer.ts';
import { serverInfo } from './server-state.ts';

test('the uptime is that of the process, whatever the clock of the machine was set to since', () => {
  const rest = { version: '0', hotRestartVersion: 'x', commandLine: {}, node: {} };
  const told = JSON.parse(bodyOf(serverInfo({ ...rest, state: () => 'LIVE', ageMs: () => 7_900 })));
  assert.equal(told.uptime_current_epoch, '7s');
  assert.equal(told.uptime_all_epochs, '7s');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cpuSeconds, memoryOf, parseCpuSeconds, parseMemoryMiB } from './proc.ts';

const STAT = '42 (a b) c) S 1 42 42 0 -1 4194560 100 0 0 0 1234 66 0 0 20 0 11 0 100 1000 200 18446744073709551615';

test('processor time is that of user and kernel, whatever the name of the program holds', () => {
  assert.equal(parseCpuSeconds(STAT), 13);
  assert.throws(() => parseCpuSeconds('nothing'), /not a line of/);
});

test('memory is told in MiB', () => {
  const status = 'Name:\tnode\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n';
  assert.equal(parseMemoryMiB(status, 'VmRSS'), 10);
  assert.equal(parseMemoryMiB(status, 'Pss'), undefined);
});

test('this process can be read', { skip: process.platform !== 'linux' && 'needs /proc' }, () => {
  assert.ok(cpuSeconds([process.pid]) > 0);
  assert.ok(memoryOf(process.pid).rssMiB > 10);
});

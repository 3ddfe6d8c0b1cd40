import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderList } from './header-list.ts';
import { sendableTrailers } from './trailers.ts';

test('trailers that frame, route, authorize or change a message are left out', () => {
  const given = ['x-a', '1', 'host', 'b', 'content-length', '3', 'connection', 'close', 'te', 'trailers'];
  const secrets = ['authorization', 'me', 'cookie', 'a=b', 'set-cookie', 'a=b', 'grpc-status', '0', 'x-a', '2'];
  const sent = sendableTrailers(new HeaderList([...given, ...secrets]));
  assert.deepEqual(sent?.flat, ['x-a', '1', 'grpc-status', '0', 'x-a', '2']);
});

test('where no trailers are left there are none', () => {
  assert.equal(sendableTrailers(undefined), undefined);
  assert.equal(sendableTrailers(new HeaderList()), undefined);
  assert.equal(sendableTrailers(new HeaderList(['content-length', '3'])), undefined);
});

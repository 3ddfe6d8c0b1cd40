import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headerAddition } from '../config/core.ts';
import { Place } from '../config/schema.ts';
import { HeaderList } from '../http/header-list.ts';
import { asFieldValue, asUri, isFieldValue } from '../http1/characters.ts';
import { applyChanges, changeLevels } from './header-changes.ts';
import { StreamInfo } from './stream-info.ts';
import { downstream } from './testing/downstream.ts';

function change(fields: string[], add: readonly object[], remove: string[] = []): readonly string[] {
  const place = new Place();
  const additions = add.map((addition) => headerAddition.parse(addition, place));
  assert.deepEqual(place.issues, []);
  const headers = new HeaderList(fields);
  applyChanges(changeLevels([{ remove, add: additions }]), headers, new StreamInfo(downstream(), 0, 0));
  return headers.flat;
}

const header = (value: string, append_action?: string): object => ({
  header: { key: 'X', value },
  ...(append_action === undefined ? {} : { append_action }),
});

test('fields are added as the action says', () => {
  assert.deepEqual(change(['x', '1'], [header('2')]), ['x', '1', 'x', '2']);
  assert.deepEqual(change(['x', '1'], [header('2', 'ADD_IF_ABSENT')]), ['x', '1']);
  assert.deepEqual(change([], [header('2', 'ADD_IF_ABSENT')]), ['x', '2']);
  assert.deepEqual(change(['x', '1', 'y', '', 'x', '3'], [header('2', 'OVERWRITE_IF_EXISTS_OR_ADD')]), [
    'x',
    '2',
    'y',
    '',
  ]);
  assert.deepEqual(change([], [header('2', 'OVERWRITE_IF_EXISTS')]), []);
  assert.deepEqual(change(['x', '1'], [{ header: { key: 'X', value: '2' }, append: false }]), ['x', '2']);
});

test('what is removed goes before something is added', () => {
  assert.deepEqual(change(['x', '1', 'x', '2', 'y', '3'], [header('4')], ['x']), ['y', '3', 'x', '4']);
});

test('an empty value is left out unless it is to be kept', () => {
  assert.deepEqual(change([], [header('%REQ(none)%')]), []);
  assert.deepEqual(change([], [{ header: { key: 'x', value: '' }, keep_empty_value: true }]), ['x', '']);
});

test('text beyond ASCII leaves as UTF-8', () => {
  assert.deepEqual(change([], [header('é✓')]), ['x', Buffer.from('é✓').toString('latin1')]);
});

test('a subject that would break a line does not', () => {
  const tls = {
    version: 'TLSv1.3',
    cipher: '',
    serverName: '',
    local: undefined,
    peerChainPem: '',
    peer: { uris: [], dnsNames: [], subject: 'CN=a\u010aX-Admin: 1\r\nY: \u010d', issuer: '', sha256: '', pem: '' },
  };
  const place = new Place();
  const addition = headerAddition.parse(header('%DOWNSTREAM_PEER_SUBJECT%'), place);
  const headers = new HeaderList();
  applyChanges([{ remove: [], add: [addition] }], headers, new StreamInfo(downstream({ tls }), 0, 0));
  assert.ok(isFieldValue(headers.get('x') ?? '\n'));
});

test('values and addresses never hold what would end them', () => {
  assert.equal(asFieldValue('plain \xe9\t'), 'plain \xe9\t');
  assert.equal(asFieldValue('a\r\nb\0'), 'a  b ');
  assert.ok(isFieldValue(asFieldValue('\u010a\u010d\ud800')));
  assert.equal(asUri('/a b#c\r\n\u010a?d'), '/a%20b%23c%0D%0A%C4%8A?d');
  assert.match(asUri('/\ud800'), /^\/%[0-9A-F%]+$/);
});

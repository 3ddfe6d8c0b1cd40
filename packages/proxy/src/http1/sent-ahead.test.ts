/** Clients that send requests ahead without end: they take neither memory nor the turns of others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { RawClient, respond, TestServer } from './testing/server.ts';

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a.example\r\n\r\n`;
const ANSWER = 'x'.repeat(2000);
const answerAll = () =>
  new TestServer((request, when) => {
    if (when === 'head') respond(request.stream, 200, ANSWER);
  });
const count = (received: string): number => received.split('HTTP/1.1 200').length - 1;

test('who does not read the answers gets no more of them, and all once they are read', async () => {
  await using server = await answerAll().start();
  using client = new RawClient(server.port);
  client.socket.pause();
  client.send(get('/').repeat(30_000));
  let before = -1;
  while (server.requests.length !== before || before === 0) {
    before = server.requests.length;
    await wait(300);
  }
  assert.ok(before * ANSWER.length < 30_000_000, `${before} were answered`);
  client.socket.resume();
  const received = await client.until(
    (c) => c.received.length > 30_000 * ANSWER.length && count(c.received) === 30_000,
  );
  assert.equal(count(received), 30_000);
});

test('who has sent much ahead does not keep others waiting', async () => {
  await using server = await answerAll().start();
  using greedy = new RawClient(server.port);
  using other = new RawClient(server.port);
  greedy.send(get('/greedy').repeat(20_000));
  await greedy.until(() => server.requests.length > 0);
  other.send(get('/other'));
  await other.until((c) => c.received.endsWith('x'));
  const place = server.requests.findIndex(({ head }) => head.path === '/other');
  assert.ok(place < 15_000, `it was the ${place}th`);
});

test('what was sent ahead is answered though the client sends no more', async () => {
  await using server = await answerAll().start();
  using client = new RawClient(server.port);
  client.socket.end(get('/').repeat(2000));
  const received = await client.until(({ isClosed }) => isClosed);
  assert.equal(count(received), 2000);
});

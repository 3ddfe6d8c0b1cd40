import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Answer, ask, askThrough, DATA_PLANES, freePort, openMesh, until, type Workload } from './harness.ts';

/** The environment that `weft run` gives a program, printed by it. */
const PRINT_ENV = ['-e', 'console.log(JSON.stringify(process.env)); setInterval(() => undefined, 1e6)'];

/** The port that HTTP_PROXY names to a client which prints its environment. */
function proxyPort(client: Workload): Promise<number> {
  return until('the environment of the client', () => {
    const line = client.process
      .text()
      .split('\n')
      .find((text) => text.startsWith('{"') && text.includes('"HTTP_PROXY"'));
    return line ? Number(new URL(JSON.parse(line).HTTP_PROXY).port) : undefined;
  });
}

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane}: services call one another by name, and know the caller's proved identity`, async (t) => {
    const mesh = openMesh(t, dataPlane);
    await mesh.up();
    const [web] = await Promise.all([
      mesh.run('web', { calls: ['cart'] }),
      mesh.run('cart', { calls: ['stock'] }),
      mesh.run('stock'),
    ]);
    const answer = await until(
      'an answer through three services',
      async () => {
        const got: Answer | undefined = await ask(`http://127.0.0.1:${web.port}/`).catch(() => undefined);
        return got?.status === 200 ? got : undefined;
      },
      30_000,
      web.process.text,
    );
    const [cart] = JSON.parse(answer.body).called;
    assert.equal(cart.caller, 'spiffe://weft.local/ns/default/sa/web');
    assert.equal(cart.called[0].caller, 'spiffe://weft.local/ns/default/sa/cart');

    const status = await mesh.weft('status');
    assert.equal(status.code, 0, status.err);
    assert.match(status.out, /acknowledged by 3 of 3 proxies/);
    const services = await mesh.weft('get', 'services');
    assert.match(services.out, /stock\.default\.mesh +http +1\/1 +spiffe:\/\/weft\.local\/ns\/default\/sa\/stock/);
  });

  test(`${dataPlane}: a drained instance loses no request, and the program's exit code is that of weft run`, async (t) => {
    const mesh = openMesh(t, dataPlane);
    await mesh.up();
    const web = await mesh.run('web', { calls: ['stock'] });
    const [, second] = await Promise.all([mesh.run('stock', { version: 'a' }), mesh.run('stock', { version: 'b' })]);
    await mesh.ready('stock', 2);
    await mesh.ready('web', 1);

    const agent = new Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    const answers: Answer[] = [];
    let running = true;
    const lanes = Array.from({ length: 4 }, async () => {
      while (running) answers.push(await ask(`http://127.0.0.1:${web.port}/`, { agent }));
    });
    const versions = () => new Set(answers.slice(-50).map(({ body }) => JSON.parse(body).called[0].version));
    await until('answers of both instances', () => versions().size === 2 || undefined);
    const { code } = await second.process.stop();
    await until('answers of the other alone', () => versions().size === 1 || undefined);
    running = false;
    await Promise.all(lanes);
    assert.equal(code, 0);
    assert.deepEqual(
      answers.filter(({ status }) => status !== 200),
      [],
    );
  });

  test(`${dataPlane}: a killed instance is passed over, also for requests that are not safe`, async (t) => {
    const mesh = openMesh(t, dataPlane);
    await mesh.up();
    const client = await mesh.run('client', { command: [process.execPath, ...PRINT_ENV], flags: [] });
    const [, second] = await Promise.all([mesh.run('stock', { version: 'a' }), mesh.run('stock', { version: 'b' })]);
    await mesh.ready('stock', 2);
    const proxy = await proxyPort(client);
    const post = () => askThrough(proxy, 'http://stock.mesh/', { method: 'POST', body: 'x' });
    await until('an answer', async () => ((await post()).status === 200 ? true : undefined));
    await second.process.kill();
    for (let index = 0; index < 30; index++) {
      const { status, body } = await post();
      assert.equal(status, 200, body);
      assert.equal(JSON.parse(body).version, 'a');
    }
  });

  test(`${dataPlane}: a local port of --upstream leads to a service, and an unknown host is named`, async (t) => {
    const mesh = openMesh(t, dataPlane);
    await mesh.up();
    const local = await freePort();
    await mesh.run('stock');
    const client = await mesh.run('client', {
      command: [process.execPath, ...PRINT_ENV],
      flags: ['--upstream', `stock:${local}`],
    });
    await mesh.ready('stock', 1);
    const answer = await until(
      'an answer at the local port',
      async () => {
        const got = await ask(`http://127.0.0.1:${local}/`).catch(() => undefined);
        return got?.status === 200 ? got : undefined;
      },
      30_000,
      client.process.text,
    );
    assert.equal(JSON.parse(answer.body).service, 'stock');
    const unknown = await askThrough(await proxyPort(client), 'http://stokc.mesh/');
    assert.equal(unknown.status, 404);
    assert.match(unknown.body, /stokc\.mesh/);
  });

  test(`${dataPlane}: a canary takes its share within a second, and its deletion gives it back`, async (t) => {
    const mesh = openMesh(t, dataPlane);
    await mesh.up();
    const web = await mesh.run('web', { calls: ['stock'] });
    await Promise.all([mesh.run('stock', { version: 'v1' }), mesh.run('stock', { version: 'v2' })]);
    await mesh.ready('stock', 2);
    await mesh.ready('web', 1);
    const canary = join(import.meta.dirname, '../examples/shop/canary.yaml');
    const applied = await mesh.weft('apply', '-f', canary, '-m', 'try version 2');
    assert.equal(applied.code, 0, applied.err);
    const took = Number(/acknowledged by 3 of 3 proxies in (\d+) ms/.exec(applied.out)?.[1]);
    assert.ok(took < 1000, `acknowledged after ${took} ms`);

    const agent = new Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    const share = async (count: number): Promise<number> => {
      let second = 0;
      for (let index = 0; index < count; index++) {
        const { body, status } = await ask(`http://127.0.0.1:${web.port}/`, { agent });
        assert.equal(status, 200, body);
        if (JSON.parse(body).called[0].version === 'v2') second++;
      }
      return second / count;
    };
    const canaried = await share(300);
    assert.ok(canaried > 0.02 && canaried < 0.25, `version 2 took ${canaried}`);
    const deleted = await mesh.weft('delete', 'HTTPRoute/stock-canary', 'Service/stock-v1', 'Service/stock-v2');
    assert.equal(deleted.code, 0, deleted.err);
    const without = await share(100);
    assert.ok(without > 0.25, `version 2 took ${without} of requests over both`);
  });

  test(`${dataPlane}: nothing is lost when everything is killed at once and started again`, async (t) => {
    const mesh = openMesh(t, dataPlane);
    const up = await mesh.up();
    await mesh.run('stock');
    await mesh.ready('stock', 1);
    const canary = join(import.meta.dirname, '../examples/shop/canary.yaml');
    assert.equal((await mesh.weft('apply', '-f', canary)).code, 0);
    await up.kill();
    await mesh.up();
    await mesh.ready('stock', 1);
    const routes = await mesh.weft('get', 'routes');
    assert.match(routes.out, /HTTPRoute\/stock-canary +1 /);
    assert.ok(readdirSync(mesh.state).includes('bus.sqlite'));
  });
}

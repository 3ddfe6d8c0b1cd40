/** A process for the tests that kill one: writes until it is killed, and says what was acknowledged. */
import { writeSync } from 'node:fs';
import { type Note, stateContract } from '../../contract-suite/ground.ts';
import { openEmbeddedBus } from '../index.ts';

const { value } = stateContract();
export const STATE = { name: 'durable', value };
export const LOG = { name: 'durable', value };

async function write(path: string): Promise<never> {
  const bus = await openEmbeddedBus({ path });
  const [state, log] = [bus.state<Note>(STATE), bus.log<Note>(LOG)];
  for (let count = (await log.last()) + 1; ; count++) {
    const put = state.put(`k${count % 5}`, { text: `${count}` }).then(() => `state k${count % 5} ${count}`);
    const append = log.append({ text: `${count}` }).then((sequence) => `log ${sequence} ${count}`);
    for (const line of await Promise.all([put, append])) writeSync(1, `${line}\n`);
  }
}

if (import.meta.main) await write(process.argv[2] ?? '');

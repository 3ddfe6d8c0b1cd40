/** Cases that stand on one ground as long as they are open. */
import type { Bench } from '../bench.ts';
import { Ground } from '../ground.ts';

/** `open` starts on the ground what every round needs, and gives how one side is measured there. */
export async function onGround(open: (ground: Ground) => Promise<Bench['measure']>): Promise<Bench> {
  const ground = new Ground();
  const close = () => ground[Symbol.asyncDispose]();
  try {
    return { measure: await open(ground), [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

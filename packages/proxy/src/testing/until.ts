/** Waiting in tests. */

/** Waits until something holds; fails after 20 s. */
export async function until(
  isThere: () => boolean | Promise<boolean>,
  what: string | (() => unknown) = 'what was waited for',
): Promise<void> {
  const deadline = AbortSignal.timeout(20_000);
  while (!(await isThere())) {
    if (deadline.aborted)
      throw new Error(`20 s passed without ${typeof what === 'string' ? what : JSON.stringify(what())}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Several things of a test that end as one. */

/** These, to be disposed of together: what stands last ends first. */
export function together<Parts extends Readonly<Record<string, AsyncDisposable>>>(
  parts: Parts,
): Parts & AsyncDisposable {
  const close = async (): Promise<void> => {
    for (const part of Object.values(parts).reverse()) await part[Symbol.asyncDispose]();
  };
  return { ...parts, [Symbol.asyncDispose]: close };
}

/**
 * Does something with each of any number of items, so many at a time, and takes no more of them than that. The first
 * failure ends it, when what was begun is over.
 */
export async function eachTogether<T>(
  items: AsyncIterable<T>,
  maxCount: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown) => {
    failure ??= { error };
  };
  const isFailed = () => failure !== undefined;
  try {
    for await (const item of items) {
      const one = work(item)
        .catch(fail)
        .finally(() => running.delete(one));
      running.add(one);
      if (running.size >= maxCount) await Promise.race(running);
      if (isFailed()) break;
    }
  } finally {
    await Promise.all(running);
  }
  if (isFailed()) throw failure!.error;
}

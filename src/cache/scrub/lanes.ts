/** Does the work for every item, one at a time in each lane. When one fails no other is begun, and its error is thrown. */
export async function inLanes<Item, Lane>(
  items: AsyncIterable<Item>,
  lanes: readonly Lane[],
  work: (item: Item, lane: Lane) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  let failed = false;
  const run = async (lane: Lane) => {
    try {
      for (let next = await iterator.next(); !next.done && !failed; next = await iterator.next()) {
        await work(next.value, lane);
      }
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  try {
    const ends = await Promise.allSettled(lanes.map(run));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  } finally {
    await iterator.return?.();
  }
}

/** Waits until all have settled, also when one fails. @throws what the first of them failed with */
export async function waitForAll(all: readonly (Promise<void> | void)[]): Promise<void> {
  const failed = (await Promise.allSettled(all)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

/** Things that were started, to be stopped in the reverse order, also when a later one could not be started. */
export type Lifetime = (() => Promise<void> | void)[];

/** Stops them, the last first, each when the one before has stopped. */
export async function endLifetime(lifetime: Lifetime): Promise<void> {
  for (let stop = lifetime.pop(); stop; stop = lifetime.pop()) await stop();
}

/** Opens what is made of several parts; when one of them fails, those that were opened before are stopped. */
export async function openWithin<T>(open: (lifetime: Lifetime) => Promise<T>): Promise<T> {
  const lifetime: Lifetime = [];
  try {
    return await open(lifetime);
  } catch (error) {
    await endLifetime(lifetime);
    throw error;
  }
}

/** Things that were started, to be stopped in the reverse order, also when a later one could not be started. */
export type Lifetime = (() => Promise<void> | void)[];

/** Stops them, the last first, each when the one before has stopped. */
export async function endLifetime(lifetime: Lifetime): Promise<void> {
  for (let stop = lifetime.pop(); stop; stop = lifetime.pop()) await stop();
}
